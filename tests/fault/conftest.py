import pytest

import runs


@pytest.fixture(autouse=True)
def no_run_outlives_its_test():
    yield
    for process in runs.started:
        process.kill()  # its guardians end the ranks
        process.wait(10)
    runs.started.clear()
