"""A stage whose results change has a new number, so that finished runs remake what depends on it."""

import json

import numpy as np
import pytest
import torch
from golden import GOLDEN, STAGES

from faceflip.workflow.versions import VERSIONS


def assert_same(found, expected, path):
    if isinstance(expected, dict):
        assert set(found) == set(expected), path
        for key in expected:
            assert_same(found[key], expected[key], f"{path}.{key}")
    elif isinstance(expected, list) and expected and isinstance(expected[0], float):
        # Another processor may round differently in the last digits; a changed method shows in the first.
        np.testing.assert_allclose(found, expected, rtol=0.02, atol=1e-3, err_msg=path)
    else:
        assert found == expected, path


@pytest.mark.parametrize("stage", STAGES)
def test_results_change_only_with_the_stages_number(stage):
    torch.set_num_threads(1)
    golden = json.loads(GOLDEN.read_text())[stage]
    how = "after raising a stage's number in faceflip/workflow/versions.py run: python tests/workflow/golden.py"
    assert VERSIONS[stage] == golden["version"], f"golden.json is of another version; {how}"
    try:
        assert_same(json.loads(json.dumps(STAGES[stage]())), golden["results"], stage)
    except AssertionError as difference:
        raise AssertionError(f"the results of stage {stage} changed; if that is meant, {how}\n{difference}") from None
