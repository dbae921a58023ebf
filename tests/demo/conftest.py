"""The export takes seconds, so the demo's tests share one."""

from __future__ import annotations

import pytest

from rwd_platform.demo.exporter import DemoFiles, export


@pytest.fixture(scope="session")
def demo_files(tmp_path_factory: pytest.TempPathFactory) -> DemoFiles:
    return export(tmp_path_factory.mktemp("demo-files"))
