"""PyDM's own archiver plot on a screen that is not there: asks for two spans of history and says what it drew, as JSON.

python -m tests.archiver.pydm_plot PV SECONDS...
"""

import json
import sys
from typing import Any

from pydm import PyDMApplication
from pydm.widgets import PyDMArchiverTimePlot
from qtpy.QtCore import QEventLoop, QTimer


def drawn(plot: PyDMArchiverTimePlot, span_s: float) -> dict[str, Any]:
    """Ask for so much history before the oldest live point, wait, and report what the curve holds."""
    curve = plot._curves[0]
    curve.initializeArchiveBuffer()
    loop = QEventLoop()
    curve.archive_data_received_signal.connect(loop.quit)
    QTimer.singleShot(10_000, loop.quit)
    end = curve.min_x()
    plot.requestDataFromArchiver(end - span_s, end)
    loop.exec()
    curve.redrawCurve()
    x, y = curve.getData()
    count = curve.archive_points_accumulated
    return {
        "from": end - span_s,
        "to": end,
        "connected": curve.arch_connected,
        "archived": count,
        "error_bars": curve.error_bar.isVisible(),
        "x": [float(x[0]), float(x[count - 1])] if count else [],
        "y": [float(y[0]), float(y[count - 1])] if count else [],
        "points": len(x),
    }


def main() -> None:
    """Plot, report, leave."""
    application = PyDMApplication(use_main_window=False)
    plot = PyDMArchiverTimePlot()
    plot.addYChannel(f"ca://{sys.argv[1]}", useArchiveData=True)
    plot.show()
    curve = plot._curves[0]
    while curve.points_accumulated < 3:
        application.processEvents()
    sys.stdout.write(json.dumps([drawn(plot, float(span)) for span in sys.argv[2:]]) + "\n")
    sys.stdout.flush()
    plot.close()


if __name__ == "__main__":
    main()
