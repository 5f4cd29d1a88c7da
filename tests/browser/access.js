// What can be told about accessibility from outside: returns a list of complaints, empty when there are none.
(() => {
  const found = [];
  const say = (what, element) => found.push(`${what}: ${(element?.outerHTML ?? '').slice(0, 120)}`);
  const seen = element => element.checkVisibility({ visibilityProperty: true, opacityProperty: true });
  const name = element => (element.getAttribute('aria-label')
    ?? (element.getAttribute('aria-labelledby') ?? '').split(' ').map(id => document.getElementById(id)?.textContent ?? '').join(' ')).trim();

  if (!document.documentElement.lang) say('no language');
  if (!document.title) say('no title');
  for (const [what, count] of [['main', 1], ['h1', 1], ['body > header', 1], ['body > footer', 1]]) {
    if (document.querySelectorAll(what).length !== count) say(`not exactly one ${what}`);
  }
  let last = 0;
  for (const heading of document.querySelectorAll('h1,h2,h3,h4')) {
    const level = Number(heading.tagName[1]);
    if (level > last + 1) say('a level of headings is left out', heading);
    if (!heading.textContent.trim()) say('empty heading', heading);
    last = level;
  }
  const ids = new Set();
  for (const element of document.querySelectorAll('[id]')) {
    if (ids.has(element.id)) say('an id is there twice', element);
    ids.add(element.id);
  }
  for (const element of document.querySelectorAll('[aria-labelledby]')) {
    for (const id of element.getAttribute('aria-labelledby').split(' ')) {
      if (!document.getElementById(id)) say('the label is not there', element);
    }
  }
  for (const image of document.querySelectorAll('img')) if (!image.hasAttribute('alt')) say('image without alt', image);
  for (const svg of document.querySelectorAll('svg')) {
    if (svg.getAttribute('aria-hidden') !== 'true' && !(svg.getAttribute('role') === 'img' && name(svg))) say('drawing without name', svg);
  }
  for (const link of document.querySelectorAll('a,button')) {
    if (!(name(link) || link.textContent.trim())) say('link without name', link);
    const label = link.getAttribute('aria-label');
    if (label && !label.includes(link.textContent.trim())) say('the name does not hold what is seen', link);
  }
  for (const input of document.querySelectorAll('input')) if (!input.labels.length) say('input without label', input);
  for (const section of document.querySelectorAll('section,nav')) if (!name(section)) say('region without name', section);
  for (const table of document.querySelectorAll('table')) {
    if (![...table.querySelectorAll('th')].every(th => th.scope)) say('header without scope', table);
    if (!table.caption && !table.closest('section')) say('table without name', table);
  }
  for (const list of document.querySelectorAll('ul,ol')) {
    if (![...list.children].every(child => child.tagName === 'LI')) say('list with something else in it', list);
  }
  if (document.querySelector('[tabindex]:not([tabindex="0"],[tabindex="-1"])')) say('a made-up tab order');
  if (document.documentElement.scrollWidth > innerWidth) say('scrolls sideways');

  // Contrast after WCAG 2: 4.5 for text, 3 for large text.
  const rgb = text => (text.match(/[\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const ground = element => {
    for (let e = element; e; e = e.parentElement) {
      const colour = rgb(getComputedStyle(e).backgroundColor);
      if (colour.length === 3 || colour[3] > 0.99) return colour;
    }
    return [255, 255, 255];
  };
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.textContent.trim() || !seen(element) || element.closest('.vh,.skip')) continue;
    const style = getComputedStyle(element);
    const [a, b] = [luminance(rgb(style.color)), luminance(ground(element))].sort((x, y) => y - x);
    const large = parseFloat(style.fontSize) >= 24 || (parseFloat(style.fontSize) >= 18.66 && style.fontWeight >= 700);
    const ratio = (a + 0.05) / (b + 0.05);
    if (ratio < (large ? 3 : 4.5)) say(`contrast ${ratio.toFixed(2)} (${style.color})`, element);
  }
  // Targets of at least 24 pixels, or inline in text (WCAG 2.5.8).
  for (const button of document.querySelectorAll('button,nav a,input')) {
    const box = button.getBoundingClientRect();
    if (seen(button) && !button.closest('.pager') && (box.height < 24 || box.width < 24)) say('target is too small', button);
  }
  return found;
})()
