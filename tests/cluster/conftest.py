import pytest

import hosts


@pytest.fixture()
def lab_of(tmp_path):
    """lab_of(3): a lab of three hosts that share tmp_path; gone after the test, whatever happened."""
    labs = []

    def up(count):
        labs.append(hosts.Lab(shared=[tmp_path], count=count))
        return labs[-1]

    yield up
    for lab in labs:
        lab.down()
