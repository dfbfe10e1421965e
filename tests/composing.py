"""How tests compose a config and train on it, quickly and below a temporary folder."""

from pathlib import Path

from hydra import compose, initialize_config_dir
from omegaconf import DictConfig

from dlcourse.cli import conf_path

QUICK = [
    "data.source.songs=8",
    "data.batch_size=4",
    "data.window=16",
    "net.hidden=8",
    "steps=20",
    "validate_every=5",
    "log_every=3",
    "~callbacks.songs",
    "trainer.accelerator=cpu",
]

QUICK_XRAY = [
    "experiment=xray_phantoms",
    "data.source.patients=24",
    "split.val=0.25",
    "split.test=0.25",
    "data.source.size=64",
    "data.batch_size=4",
    "data.size=32",
    "net.channels=[4,8]",
    "net.kernels=[3,1]",
    "steps=20",
    "validate_every=5",
    "log_every=3",
    "threads=1",
    "~callbacks.maps",
    "trainer.accelerator=cpu",
]


def composed(folder: Path, *overrides: str, quick: bool = True) -> DictConfig:
    """The config of scripts/train.py with overrides; data are shared beside the run folder."""
    settings = [f"folder={folder}", f"data_dir={folder.parent / 'data'}"]
    with initialize_config_dir(conf_path(), version_base="1.3"):
        return compose("train", [*settings, *(QUICK if quick else []), *overrides])


def saved(config: DictConfig) -> DictConfig:
    """The same config, left in the run folder as Hydra leaves it."""
    from omegaconf import OmegaConf

    path = Path(config.folder) / ".hydra" / "config.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    OmegaConf.save(config, path)
    return config
