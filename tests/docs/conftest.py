"""What several pages suppose to be there."""

import pytest


@pytest.fixture
def beside_attempts(tmp_path, monkeypatch):
    """Work in a folder with a run's table of attempts, of three attributes, which is made up."""
    from specimen import specimen

    names = ("Bald", "Male", "Smiling")
    made = specimen(seed=4, attributes=names, moon_attributes=names, sample=40, test=4)
    (tmp_path / "results").mkdir()
    made.attempts.to_parquet(tmp_path / "results/attempts.parquet", index=False)
    monkeypatch.chdir(tmp_path)
