"""The command line of moto, with the SQS that tests can rely on."""

import sys

import repairs
from moto.server import main

repairs.apply()
sys.exit(main())
