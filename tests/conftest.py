"""Finished runs that tests of several kinds look at, and the devices that others compute on."""

import pytest
from running import Workflow


@pytest.fixture(scope="session")
def tiny(tmp_path_factory):
    """The finished tiny run; tests must leave it as it is."""
    workflow = Workflow(tmp_path_factory.mktemp("tiny"))
    workflow("--cores", 2)
    return workflow


@pytest.fixture(scope="module", params=["cpu", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request):
    """The name of a device, prepared as the workflow's jobs prepare it; a GPU only where there is one."""
    import torch

    from faceflip.runtime.device import prepare

    if request.param == "cuda":
        if not torch.cuda.is_available():
            pytest.skip("PyTorch sees no GPU here")
        prepare("cuda", threads=torch.get_num_threads())
    return request.param


@pytest.fixture(scope="module")
def one_thread():
    """Let PyTorch compute with one thread: last bits hang on their number, and small networks gain nothing by more."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)
