"""What holds for all tests: slow ones on demand, one thread, and examples drawn the same way each time."""

import gc
import os
import signal

import pytest
from hypothesis import settings
from xdist.scheduler import LoadFileScheduling

import examples
import perturbations
from cryoglean.scale.threads import limit_threads
from margins import Margins

COLLECT_AFTER = (20_000, 20, 20)
"""Objects after which garbage is looked for. Resource: the default of 700 took a twentieth of the time."""

WITH_NETWORKS = ("tests/pickers/emmae/", "tests/pickers/kpicker/")
"""Folders whose files share networks. Resource: these take seconds to train, and are so once, not in each process."""


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the slow tests, too")
    parser.addoption("--margins", metavar="FOLDER", help="write there how near numbers come to their bounds")


def pytest_configure(config):
    if signal.getsignal(signal.SIGINT) == signal.SIG_IGN:  # of a shell that has started this in the background
        signal.signal(signal.SIGINT, signal.default_int_handler)
    gc.set_threshold(*COLLECT_AFTER)
    perturbations.apply()
    examples.draw_all(config.getoption("--slow"))
    settings.register_profile("ci", derandomize=True, deadline=None, database=None, max_examples=examples.some(100))
    settings.load_profile("ci")
    if folder := config.getoption("--margins"):
        config.pluginmanager.register(Margins(folder))


def pytest_collection_finish():
    """Let no collection of garbage look through all that was imported."""
    gc.collect()
    gc.freeze()


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    skip = pytest.mark.skip(reason="slow: run with --slow")
    for item in items:
        if any(not _is_wanted(mark) for mark in item.iter_markers("slow")):
            item.add_marker(skip)


def _is_wanted(slow):
    """Tell whether a slow test, or one of its examples, is to run without being asked for."""
    return bool(perturbations.CHOSEN) and slow.kwargs.get("perturbed", False)


class ByFile(LoadFileScheduling):
    """Gives each process whole files, and those that share networks to one of them."""

    def _split_scope(self, nodeid):
        file = super()._split_scope(nodeid)
        return next((folder for folder in WITH_NETWORKS if file.startswith(folder)), file)


@pytest.hookimpl(optionalhook=True)  # of pytest-xdist
def pytest_xdist_make_scheduler(config, log):
    return ByFile(config, log)


@pytest.fixture(scope="session", autouse=True)
def _one_thread():
    """Small images are slower with many threads than with one, and results do not depend on the machine."""
    limit_threads(perturbations.THREADS)


@pytest.fixture(scope="session")
def fsync():
    """The system's own, for tests of what is forced to disk."""
    return os.fsync


@pytest.fixture(scope="session", autouse=True)
def _no_waiting_for_the_disk(fsync):
    """Files are forced to disk against a loss of power, of which no test can tell, and many would wait for the disk."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", os.fstat)  # which refuses what is no open file, too
        yield
