"""The newest analysis of a raw result is found by one index.

Without it SQLite looks through all newer jobs for each row of ``analysis_reco_current``: with 125,000 jobs that took minutes.
"""

from __future__ import annotations

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_index("ix_analysis_job_newest", "analysis_job", ["raw", "state", "id"], unique=False)
    op.drop_index("ix_analysis_job_raw", "analysis_job")
