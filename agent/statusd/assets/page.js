// Keeps the page fresh: listens for changes, fetches this same page again and puts in what differs. Shows ages.
// Without it the page is whole, only older.
(() => {
  'use strict';
  const live = document.getElementById('live');
  const said = document.getElementById('said');
  const served = new Map();
  let skew = 0;
  let version = Number(document.body.dataset.version);
  let timer = 0;
  let fetching = false;
  let again = false;
  let stream = null;

  const parts = root => [...root.querySelectorAll('[data-live]')];

  // What the server had sent, before ages were written into it.
  const remember = root => {
    const now = root.querySelector('#now');
    if (now) skew = Date.parse(now.dateTime) - Date.now();
    for (const part of parts(root)) served.set(part.id, part.outerHTML);
  };

  const two = (a, unitA, b, unitB) => b ? `${a}${unitA} ${b}${unitB}` : `${a}${unitA}`;
  const length = seconds => {
    const s = Math.max(0, Math.floor(seconds));
    if (s < 60) return `${s}s`;
    if (s < 3600) return two(Math.floor(s / 60), 'm', 0, '');
    if (s < 86400) return two(Math.floor(s / 3600), 'h', Math.floor(s / 60) % 60, 'm');
    return two(Math.floor(s / 86400), 'd', Math.floor(s / 3600) % 24, 'h');
  };

  const ages = () => {
    for (const time of document.querySelectorAll('time[data-age],time[data-ago]')) {
      const lasted = length((Date.now() + skew - Date.parse(time.dateTime)) / 1000);
      const age = 'age' in time.dataset ? `for ${lasted}` : `${lasted} ago`;
      if (time.textContent !== age) {
        if (!time.title) time.title = time.textContent;
        time.textContent = age;
      }
    }
  };

  const show = (state, text) => {
    if (live.className !== state) {
      live.className = state;
      live.textContent = text;
    }
  };

  // Puts a new element in the place of an old one; whoever had the focus in there keeps it.
  const replace = (old, fresh) => {
    const held = old.contains(document.activeElement) ? document.activeElement : null;
    const same = held && held !== old && (held.id
      ? e => e.id === held.id
      : e => e.tagName === held.tagName && e.getAttribute('href') === held.getAttribute('href'));
    old.replaceWith(fresh);
    if (same) {
      const heir = [...fresh.querySelectorAll('a,input,button,pre')].find(same);
      if (heir) heir.focus({ preventScroll: true });
    }
  };

  const merge = fresh => {
    const before = document.title;
    const old = parts(document);
    const next = parts(fresh);
    const alike = old.length === next.length && old.every((part, i) => part.id === next[i].id);
    const known = new Map(served);
    served.clear();
    remember(fresh);
    if (alike) {
      old.forEach((part, i) => {
        if (known.get(part.id) !== served.get(part.id)) replace(part, document.adoptNode(next[i]));
      });
    } else {
      replace(document.getElementById('main'), document.adoptNode(fresh.getElementById('main')));
    }
    const now = fresh.getElementById('now');
    if (now) document.getElementById('now').replaceWith(document.adoptNode(now));
    version = Number(fresh.body.dataset.version);
    document.title = fresh.title;
    if (fresh.title !== before) said.textContent = fresh.title;
    ages();
  };

  const refresh = async () => {
    timer = 0;
    if (fetching) {
      again = true;
      return;
    }
    fetching = true;
    try {
      const answer = await fetch(location.href, { cache: 'no-store' });
      if (answer.ok || answer.status === 404) {
        merge(new DOMParser().parseFromString(await answer.text(), 'text/html'));
      } else {
        setTimeout(soon, 1000);
      }
    } catch {
      // The stream says that nobody answers.
    }
    fetching = false;
    if (again) {
      again = false;
      soon();
    }
  };

  // Not everybody at the same moment.
  const soon = () => {
    if (!timer) timer = setTimeout(refresh, 50 + Math.random() * 250);
  };

  const listen = () => {
    if (stream) stream.close();
    stream = new EventSource('/api/v1/stream');
    stream.addEventListener('open', () => show('on', '● live'));
    stream.addEventListener('change', event => {
      if (JSON.parse(event.data).version !== version) soon();
    });
    stream.addEventListener('error', () => {
      show('off', '○ not connected');
      if (stream.readyState === EventSource.CLOSED) {
        stream = null;
        setTimeout(() => {
          if (stream || document.hidden) return;
          listen();
          soon();
        }, 10000);
      }
    });
  };

  document.addEventListener('visibilitychange', () => {
    if (document.hidden) {
      if (stream) stream.close();
      stream = null;
    } else if (!stream) {
      listen();
    }
  });

  remember(document);
  ages();
  setInterval(ages, 1000);
  if (!document.hidden) listen();
})();
