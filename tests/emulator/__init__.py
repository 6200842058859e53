"""An AWS account on one loopback port: MiniStack, extended with what credwarden needs and MiniStack lacks.

Start it with `python -m emulator` from `tests/`. It adds a realistic credential report and account summary, a strict
Security Hub, CloudTrail's event history, e-mail subscriptions whose mails can be read, counters of the calls made, and
a control endpoint under `/_credwarden/` with which tests change the account while everything runs.
"""

import sys

# Checked here, before modules are imported whose syntax an old Python cannot parse.
if sys.version_info < (3, 10):
    sys.exit("the emulator needs Python 3.10 or newer; this is Python %d.%d" % sys.version_info[:2])
