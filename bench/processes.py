"""Processes that work for this one."""

import multiprocessing
import os
import threading


def end_with_parent() -> None:
    """End this process when the one that started it is killed, which could not end it any more."""

    def watch() -> None:
        parent = multiprocessing.parent_process()
        if parent:
            parent.join()
            os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
