"""Several processes: each its own GPU where they compute on GPUs, and a way to talk that fits where they compute."""

from __future__ import annotations

import atexit

import pytest
import torch

from napa_lib.processes import join_processes


@pytest.fixture
def joined(monkeypatch):
    """The second of two processes on a machine with two GPUs, as torchrun starts it; what was asked of torch."""
    asked: dict[str, object] = {}
    for name, value in {"WORLD_SIZE": "2", "RANK": "3", "LOCAL_RANK": "1"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    monkeypatch.setattr(torch.cuda, "set_device", lambda index: asked.update(device=index))
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: "backend" in asked)
    monkeypatch.setattr(torch.distributed, "init_process_group", lambda backend: asked.update(backend=backend))
    monkeypatch.setattr(atexit, "register", lambda function: None)
    return asked


def test_a_process_leaves_the_group_when_it_ends(joined, monkeypatch):
    at_exit = []
    monkeypatch.setattr(atexit, "register", at_exit.append)
    monkeypatch.setattr(torch.distributed, "destroy_process_group", joined.clear)
    join_processes(torch.device("cpu"))
    join_processes(torch.device("cpu"))
    (leave,) = at_exit
    leave()
    assert joined == {}
    leave()  # where the group has ended already


def test_each_process_has_a_gpu_of_its_own(joined):
    assert join_processes(torch.device("cuda")) == (3, 2)
    assert joined == {"device": 1, "backend": "nccl"}
    assert join_processes(torch.device("cuda", 1)) == (3, 2)  # where a tensor is, once it has joined


@pytest.mark.parametrize("device", ["cpu", "mps"])
def test_processes_off_the_gpu_leave_it_alone_where_there_is_one(joined, device):
    assert join_processes(torch.device(device)) == (3, 2)
    assert joined == {"backend": "gloo"}


def test_processes_that_would_share_a_gpu_are_refused(joined, monkeypatch):
    with pytest.raises(ValueError, match="cannot share cuda:0: say cuda"):
        join_processes(torch.device("cuda", 0))
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(ValueError, match="process 2 of this machine needs a GPU of its own, and it has 1"):
        join_processes(torch.device("cuda"))
    assert joined == {}


def test_one_process_asks_for_nothing(joined, monkeypatch):
    monkeypatch.delenv("WORLD_SIZE")
    monkeypatch.setenv("RANK", "0")
    assert join_processes(torch.device("cuda", 1)) == (0, 1)
    assert joined == {}
