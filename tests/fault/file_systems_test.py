"""A run that loses ranks ends with the same bits on each file system that can be mounted here."""
import disks
import pytest
import runs

SECONDS_A_RESTART = 6
PLACES = {"ext4": lambda directory: disks.Image(directory, "ext4").mounted, "xfs": lambda directory: disks.Image(directory, "xfs").mounted,
          "btrfs": lambda directory: disks.Image(directory, "btrfs").mounted, "tmpfs": disks.tmpfs, "overlay": disks.overlay, "fuse": disks.fuse}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    directory = tmp_path_factory.mktemp("undisturbed")
    return runs.Run(directory / "run").supervised(runs.write_config(directory / "config.yaml", runs.configuration("mlp")))


@pytest.fixture(params=PLACES)
def place(request, tmp_path):
    try:
        yield PLACES[request.param](tmp_path)
    finally:
        disks.unmount_below(tmp_path)


def test_kills_in_the_middle_of_saves_change_no_bit(tmp_path, place, undisturbed):
    config = runs.write_config(tmp_path / "config.yaml", runs.configuration("mlp"))
    injections = ["kill:rank=1,step=14,section=checkpoint", "kill:rank=0,step=21,section=commit", "kill:rank=0,step=30,section=update"]
    run = runs.Run(place / "run").supervised(config, injections=injections)
    runs.assert_landed(run, injections)
    runs.assert_same_runs(run, undisturbed)
    assert run.seconds < undisturbed.seconds + SECONDS_A_RESTART * len(injections)
