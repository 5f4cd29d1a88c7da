#!/usr/bin/python3
"""A mail server for the tests, on aiosmtpd: it does what the file MODE says at the moment, and keeps what it accepts.

usage: server.py DIRECTORY [--starttls | --tls] [--auth USER PASSWORD] [--port PORT]

DIRECTORY/mode          one word: ok, rcpt-4xx, rcpt-5xx, data-4xx, data-5xx, mail-5xx, greylist, hang, reset, reset-late, close
DIRECTORY/accepted/N    one mail: a line of JSON (who, to whom, how, when), then the mail as it came
DIRECTORY/log           one line for each attempt
DIRECTORY/cert.pem, key.pem
"""
import asyncio
import json
import os
import ssl
import sys
import time

from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword

directory = sys.argv[1]
options = sys.argv[2:]
seen = set()
count = len(os.listdir(os.path.join(directory, "accepted")))


def mode():
    with open(os.path.join(directory, "mode")) as file:
        return file.read().strip()


def log(text):
    with open(os.path.join(directory, "log"), "a") as file:
        file.write(f"{time.time():.3f} {text}\n")


class Handler:
    async def handle_MAIL(self, server, session, envelope, address, mail_options):
        if mode() == "mail-5xx":
            log("mail-5xx")
            return "553 5.7.1 sender not welcome"
        envelope.mail_from = address
        return "250 OK"

    async def handle_RCPT(self, server, session, envelope, address, rcpt_options):
        now = mode()
        log(f"rcpt {address} {now}")
        if now == "rcpt-4xx":
            return "450 4.2.1 try again"
        if now == "rcpt-5xx" and address.startswith("bad"):
            return "550 5.1.1 no such user"
        if now == "greylist" and address not in seen:
            seen.add(address)
            return "451 4.7.1 greylisted"
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server, session, envelope):
        global count
        now = mode()
        log(f"data {now}")
        if now == "data-4xx":
            return "452 4.3.1 no room"
        if now == "data-5xx":
            return "554 5.6.0 not this"
        if now == "hang":
            await asyncio.sleep(600)
        if now == "reset-late":
            server.transport.abort()
            return "421 gone"
        count += 1
        meta = {
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "tls": session.ssl is not None or "--tls" in options,
            "auth": str(session.authenticated),
            "at": time.time(),
        }
        path = os.path.join(directory, "accepted", f"{count:04}")
        with open(path + ".new", "wb") as file:
            file.write(json.dumps(meta).encode() + b"\n" + envelope.content)
        os.rename(path + ".new", path)
        return "250 OK"


class Server(SMTP):
    async def smtp_DATA(self, arg):
        if mode() == "reset":
            log("reset")
            await self.push("354 go on")
            self.transport.abort()
            return
        if mode() == "close":
            log("close")
            await self.push("421 4.3.2 shutting down")
            self.transport.close()
            return
        await super().smtp_DATA(arg)


def authenticate(server, session, envelope, mechanism, data):
    if not isinstance(data, LoginPassword):
        return AuthResult(success=False, handled=False)
    at = options.index("--auth")
    wanted = options[at + 1].encode(), options[at + 2].encode()
    good = (data.login, data.password) == wanted
    log(f"auth {mechanism} {good}")
    # Not handled: the server itself says 535.
    return AuthResult(success=good, handled=False)


async def main():
    context = None
    if "--tls" in options or "--starttls" in options:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(os.path.join(directory, "cert.pem"), os.path.join(directory, "key.pem"))
    settings = {"hostname": "mx.test", "loop": asyncio.get_running_loop(), "enable_SMTPUTF8": False}
    if "--starttls" in options:
        settings |= {"tls_context": context}
    if "--auth" in options:
        settings |= {
            "authenticator": authenticate,
            "auth_required": True,
            "auth_require_tls": "--tls" not in options,
        }
    port = int(options[options.index("--port") + 1]) if "--port" in options else 0
    server = await asyncio.get_running_loop().create_server(
        lambda: Server(Handler(), **settings), "127.0.0.1", port, ssl=context if "--tls" in options else None
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


asyncio.run(main())
