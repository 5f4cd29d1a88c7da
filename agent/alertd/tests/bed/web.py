#!/usr/bin/python3
"""A web server for the tests: answers every POST with what DIRECTORY/status says, and writes down what came.

DIRECTORY/status   the status to answer with
DIRECTORY/key      the key of the signatures
DIRECTORY/posts    a line of JSON for each POST
"""
import hashlib
import hmac
import json
import os
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

directory = sys.argv[1]


def text(name):
    with open(os.path.join(directory, name)) as file:
        return file.read().strip()


class Handler(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        time = self.headers.get("x-holdfast-timestamp", "")
        wanted = hmac.new(text("key").encode(), time.encode() + b"." + body, hashlib.sha256).hexdigest()
        post = {
            "path": self.path,
            "signed": self.headers.get("x-holdfast-signature") == "v1=" + wanted,
            "delivery": self.headers.get("x-holdfast-delivery"),
            "notice": json.loads(body),
        }
        self.send_response(int(text("status")))
        self.end_headers()
        with open(os.path.join(directory, "posts"), "a") as file:
            file.write(json.dumps(post) + "\n")

    def log_message(self, *_):
        pass


server = HTTPServer(("127.0.0.1", 0), Handler)
print(server.server_address[1], flush=True)
server.serve_forever()
