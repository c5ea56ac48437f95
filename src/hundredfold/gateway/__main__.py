"""`python -m hundredfold.gateway --state DIR`."""

import argparse
import sys
from pathlib import Path

from hundredfold.gateway.server import serve

parser = argparse.ArgumentParser(prog="hundredfold.gateway", description="The metering proxy of one project.")
parser.add_argument("--state", type=Path, required=True, help="the folder with its config.json")
sys.exit(serve(parser.parse_args().state))
