"""(h) Signed entries over HTTP, 500 a request: against the library's bare loop, and a signed batch against none signed.

``wrk`` posts entries that were made before, so that each request is checked and written, and no key is on the server.
On one core server and load are pinned to the same one (``taskset``), on two both have both; the reference checks the
same signatures with PyNaCl in one loop, pinned to one core. By turns, and the median of the rounds' ratios; beside the
clock the server's CPU time, which neighbours disturb less.
"""

BATCH = 500
REQUESTS = 40
CONTENT_BYTES = 300
CONNECTIONS = 4
TARGETS = {"one core": 0.70, "two cores": 1.20, "signed batch": 0.80}
