"""What the tests of the containers ask, one question a run:

    ask.py query HOST PORT USER PASSWORD DATABASE SQL [AUTHORITY]    rows, tab between values; an error as SQLSTATE: message
    ask.py http METHOD URL KEY [BODY] [AUTHORITY]                    status, then the body
    ask.py reach HOST:PORT...                                        of each, `open`, or `closed` and why
    ask.py sbom FILE                                                 what cargo-auditable wrote into a program
"""
import json
import socket
import ssl
import struct
import sys
import urllib.error
import urllib.request
import zlib
from concurrent.futures import ThreadPoolExecutor

from pg import Gone, Refused, Session


def query(host, port, user, password, database, sql, authority=None):
    try:
        for values in Session((host, int(port), user, password, database), authority).query(sql):
            print("\t".join("" if value is None else value for value in values))
    except (Refused, Gone, OSError) as error:
        print(error)
        sys.exit(1)


def http(method, url, key, body=None, authority=None):
    request = urllib.request.Request(url, method=method, data=body.encode() if body else None)
    request.add_header("Authorization", f"Bearer {key}")
    if method == "PUT":
        # A new record, not another one's next version.
        request.add_header("If-None-Match", "*")
    if body:
        request.add_header("Content-Type", "application/json")
    context = ssl.create_default_context(cafile=authority) if authority else None
    try:
        with urllib.request.urlopen(request, timeout=30, context=context) as answer:
            print(answer.status, answer.read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode())
    except OSError as error:
        print(error)
        sys.exit(1)


def reach(*places):
    """All at once: a way that is shut mostly says nothing until the time is over."""
    def look(place):
        host, port = place.rsplit(":", 1)
        try:
            socket.create_connection((host, int(port)), 3).close()
            return "open"
        except OSError as error:
            return f"closed: {type(error).__name__}: {error}"

    with ThreadPoolExecutor(len(places)) as pool:
        for place, found in zip(places, pool.map(look, places)):
            print(place, found)


def sbom(path):
    """Section .dep-v0 of an ELF file with 64 bits: JSON, deflated."""
    program = open(path, "rb").read()
    table, = struct.unpack_from("<Q", program, 40)
    size, count, names = struct.unpack_from("<HHH", program, 58)
    sections = [struct.unpack_from("<IIQQQQ", program, table + number * size) for number in range(count)]
    texts = sections[names][4]
    for name, _, _, _, offset, length in sections:
        if program[texts + name:texts + name + 8] == b".dep-v0\0":
            packages = json.loads(zlib.decompress(program[offset:offset + length]))["packages"]
            for package in packages:
                print(package["name"], package["version"])
            return
    sys.exit("the program holds no list of its dependencies")


{"query": query, "http": http, "reach": reach, "sbom": sbom}[sys.argv[1]](*sys.argv[2:])
