#!/usr/bin/env python3
"""Fields, all pages, and a batch, with Python's own library."""

import json
import re
import sys
import urllib.parse
import urllib.request


def pages(url):
    """Every element, page by page: the next one is where Link says."""
    while url:
        with urllib.request.urlopen(url) as answer:
            yield from json.load(answer)
            links = ", ".join(answer.headers.get_all("Link", []))
        following = re.search(r'<([^>]*)>; rel="next"', links)
        url = following and urllib.parse.urljoin(url, following[1])


def batch(api, items):
    """The answers to many requests, by id."""
    body = json.dumps(items).encode()
    request = urllib.request.Request(api + "/_batch", body, {"Content-Type": "application/json"})
    with urllib.request.urlopen(request) as answer:
        return {each["id"]: each for each in json.load(answer)}


def main():
    api = sys.argv[1]
    cities = [user["city"] for user in pages(api + "/users?fields=city&per_page=10")]
    print(len(cities), "users, the last one in", cities[-1])
    answers = batch(api, [{"id": n, "path": f"/users/{n}?fields=name"} for n in (1, 2, 99)])
    for number, answer in answers.items():
        print(number, answer["status"], (answer["body"] or {}).get("name", "nobody"))


if __name__ == "__main__":
    main()
