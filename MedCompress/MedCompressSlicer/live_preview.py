"""The preview of a panel: follows slice views and settings; codecs that take their time work in the background."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor, wait

import qt
from MedCompressLib.errors import MedCompressError
from MedCompressLib.preview import Trial
from slicer.i18n import tr as _

from .codec_choices import codecLabel
from .slice_follower import SliceFollower
from .slice_preview import SlicePreview, SliceRequest
from .volumes import modalityOf, unitOf

_AT_ONCE_S = 0.1
"""What takes no longer is waited for, so that quick codecs follow a slider without a delay."""

_INTERVAL_MS = 30


class LivePreview:
    """Shows what `wanted()` asks for, (volume node, codec, target) or None, from `start` until `stop`.

    One trial runs at a time; what was asked for meanwhile is tried next.
    """

    def __init__(self, preview: SlicePreview, label, wanted: Callable[[], tuple | None]):
        self._preview, self._label, self._wanted = preview, label, wanted
        self._pool = ThreadPoolExecutor(1, "preview")
        self._request: SliceRequest | None = None
        self._future: Future | None = None
        self._again = False
        self._slices = SliceFollower(self._update)
        self._timer = qt.QTimer()
        self._timer.setInterval(_INTERVAL_MS)
        self._timer.connect("timeout()", self._onTimer)

    def start(self) -> None:
        self._slices.start()

    def stop(self) -> None:
        """Take the preview away; what is still being computed is thrown away when it is done."""
        self._slices.stop()
        self._timer.stop()
        if self._future is not None:
            self._future.cancel()
        self._request = self._future = None
        self._preview.remove()
        self._label.text = ""

    def close(self) -> None:
        self.stop()
        self._pool.shutdown(wait=False)

    def _update(self) -> None:
        wanted = self._wanted()
        if wanted is None:
            return
        if self._future is not None:
            self._again = True
            return
        self._again = False
        try:
            self._request = self._preview.request(*wanted)
        except MedCompressError as error:
            self._refuse(error)
            return
        self._future = self._pool.submit(self._request)
        wait([self._future], _AT_ONCE_S)
        if self._future.done():
            self._finish()
        else:
            self._label.text = _("Trying {codec} on {slices} ...").format(
                codec=codecLabel(self._request.codec), slices=_sliceText(self._request.slices)
            )
            self._timer.start()

    def _onTimer(self) -> None:
        if self._future is not None and self._future.done():
            self._finish()

    def _finish(self) -> None:
        self._timer.stop()
        request, future, wanted = self._request, self._future, self._wanted()
        self._request = self._future = None
        try:
            trial = future.result()
            if wanted is not None and wanted[0] is request.volumeNode:
                self._preview.show(request, trial)
                self._label.text = previewText(request, trial)
        except MedCompressError as error:
            self._refuse(error)
        if self._again:
            self._slices.start()

    def _refuse(self, error: MedCompressError) -> None:
        self._preview.remove()
        self._label.text = str(error)


def previewText(request: SliceRequest, trial: Trial) -> str:
    """What a trial costs, in one line; says which slices were coded together."""
    text = _("{slices}: {ratio:.1f}:1").format(slices=_sliceText(request.slices).capitalize(), ratio=trial.ratio)
    if len(request.slices) > 1:
        text += _(" (coded together, slice {k} is shown)").format(k=request.k)
    if trial.max_error == 0:
        return text + _(", exact")
    return text + _(", {psnr:.1f} dB (peak {peak}), largest error {error:g}{unit}").format(
        psnr=trial.psnr,
        peak=trial.peak.reason,
        error=trial.max_error,
        unit=unitOf(modalityOf(request.volumeNode)),
    )


def _sliceText(slices: range) -> str:
    if len(slices) == 1:
        return _("slice {k}").format(k=slices[0])
    return _("slices {first} to {last}").format(first=slices[0], last=slices[-1])
