"""Our server in a process of its own: ``our_ioc.py [--access FILE] [--autosave FILE] FILE.db``; ends when stdin is closed."""

import argparse
import asyncio
import logging
import sys
from pathlib import Path

from iocs.softioc import run_softioc


async def serve(arguments: argparse.Namespace) -> None:
    task = asyncio.create_task(run_softioc([arguments.database], access_file=arguments.access, autosave=arguments.autosave))
    loop = asyncio.get_running_loop()
    loop.run_in_executor(None, sys.stdin.read).add_done_callback(lambda _: task.cancel())
    await asyncio.wait([task])
    if not task.cancelled():
        task.result()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("database", type=Path)
    parser.add_argument("--access", type=Path)
    parser.add_argument("--autosave", type=Path)
    logging.basicConfig(level=logging.INFO)
    asyncio.run(serve(parser.parse_args()))
