import pytest

import hosts
import slurm


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


@pytest.fixture()
def slurm_of(lab_of):
    """slurm_of(3): a Slurm of three nodes, node1 to node3, its controller on node0; slurm_of(1): all of it on node0."""
    clusters = []

    def up(nodes, **more):
        slurm.require_slurm()
        lab = lab_of(nodes + 1 if nodes > 1 else 1)
        clusters.append(slurm.Slurm(lab, list(range(1, nodes + 1)) if nodes > 1 else [0], **more))
        return clusters[-1]

    yield up
    for cluster in clusters:
        cluster.down()
