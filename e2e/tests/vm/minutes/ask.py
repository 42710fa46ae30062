"""Asks sites by HTTPS again and again until it is enough: ask.py ROOTS HOST=FROM...

Each answer must have status 200 and say {"from": FROM, "release": R}, where R is a release that may serve: `one`, until a line on standard input
names others, `HOST R...`, for whatever is asked from then on. Each request has a connection of its own, so the certificate is looked at each
time. The line `enough` ends it, with 1 if anything failed.
"""

import http.client
import json
import ssl
import sys
import threading
import time

PATIENCE_S = 60
# The guest has one processor, and a handshake with an unoptimised edge is dear.
PAUSE_S = 1

trust = ssl.create_default_context(cafile=sys.argv[1])
may_serve = {}
over = threading.Event()
counted, failures, serials = {}, [], {}


def ask(host, source):
    """One request; why it failed, in words."""
    allowed = may_serve.get(host, {"one"})
    connection = http.client.HTTPSConnection(host, timeout=PATIENCE_S, context=trust)
    try:
        connection.connect()
        certificate(host, connection.sock.getpeercert()["serialNumber"])
        connection.request("GET", "/")
        answer = connection.getresponse()
        body = answer.read()
        said = json.loads(body)
        if answer.status == 200 and said["from"] == source and said["release"] in allowed:
            return None
        return f"answered {answer.status} {body[:200]!r} where one of {sorted(allowed)} may serve"
    except Exception as error:
        return repr(error)
    finally:
        connection.close()


def certificate(host, serial):
    seen = serials.setdefault(host, [])
    if serial not in seen:
        seen.append(serial)
        print(f"{host} is shown its certificate {len(seen)}: {serial}", flush=True)


def ask_on(host, source):
    while not over.is_set():
        why = ask(host, source)
        counted[host] = counted.get(host, 0) + 1
        if why:
            failures.append(f"{host} at {time.strftime('%X')}: {why}")
        time.sleep(PAUSE_S)


threads = [threading.Thread(target=ask_on, args=site.split("=")) for site in sys.argv[2:]]
for thread in threads:
    thread.start()
while words := sys.stdin.readline().split():
    if words == ["enough"]:
        break
    may_serve[words[0]] = set(words[1:])
    print(f"of {words[0]} may serve: {' '.join(words[1:])}", flush=True)
over.set()
for thread in threads:
    thread.join()
print("\n".join(failures[:20]))
print(f"asked {counted}, {len(failures)} failed", flush=True)
sys.exit(bool(failures) or len(counted) < len(threads))
