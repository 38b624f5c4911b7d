"""Measures of an array of speech: signal-to-noise ratio, bandwidth, loudness, clipping, peak. Arrays are float32 (T,).

The meters take a recording of any length in blocks and hold little; the functions run a meter over one array.
"""

from __future__ import annotations

import numpy as np

SNR_RANGE_DB = (-10.0, 60.0)
_CLIP_LEVEL = 0.99
_CLIP_RUN = 3
_LOUDNESS_BLOCK_S, _LOUDNESS_STEP = 0.4, 0.25
_ABSOLUTE_GATE_LUFS, _RELATIVE_GATE_LU = -70.0, 10.0


def peak_dbfs(samples: np.ndarray) -> float:
    """Highest absolute sample in dBFS; -inf for silence."""
    return _decibels(float(np.max(np.abs(samples), initial=0.0)) ** 2)


def rms_dbfs(samples: np.ndarray) -> float:
    """Root mean square in dB relative to a full-scale square wave; -inf for silence."""
    return _decibels(float(np.mean(np.square(samples, dtype=np.float64)))) if len(samples) else -np.inf


def clipped_share(samples: np.ndarray) -> float:
    """Share of the samples that lie in runs of at least 3 at full scale (0.99 and more) on one side, 0 to 1."""
    meter = ClippingMeter()
    meter.add(samples)
    return meter.share()


def loudness_lufs(samples: np.ndarray, rate: int) -> float | None:
    """Integrated loudness after ITU-R BS.1770-4, LUFS; None for silence and for less than 0.4 s."""
    meter = LoudnessMeter(rate)
    meter.add(samples)
    return meter.lufs()


def bandwidth_hz(samples: np.ndarray, rate: int) -> float:
    """Highest frequency that the recording carries, Hz; see BandwidthMeter. 0 for silence and under about 25 ms."""
    meter = BandwidthMeter(rate)
    meter.add(samples)
    return meter.hertz()


def snr_db(samples: np.ndarray, rate: int) -> float:
    """Estimated signal-to-noise ratio of speech in steady noise, dB, limited to -10..60; -10 where there is no sound.

    In each band of about 125 Hz speech leaves gaps, even inside words, so that a low quantile of the band's energy over
    time tells the noise there (the idea of Martin 2001, minimum statistics). Speech power is what lies above, over
    frames within 25 dB of the loudest. Digital silence, which editing and noise gates leave in pauses, is no noise
    floor: frames that touch it are left out, and the noise is that of the rest. Babble, music and other noise that
    comes and goes passes for speech; DNSMOS hears it.
    """
    speech = noise = 0.0
    pieces = max(1, round(len(samples) / (_SNR_PIECE_S * rate)))
    for piece in np.array_split(np.asarray(samples, np.float32), pieces):
        power = _band_power(piece, rate)
        if not len(power):
            continue
        sounding = ~_touches_silence(piece, rate, len(power))
        whole = sounding.all() or not sounding.any()
        power = power if whole else power[sounding]
        quantile, to_mean = _SNR_QUANTILE if whole else _SNR_QUANTILE_IN_SPEECH
        floor = np.quantile(power, quantile, axis=0) * to_mean
        above = power.sum(axis=1) - floor.sum()
        active = above > above.max() * 10 ** (-_SNR_ACTIVE_DB / 10)
        if above.max() > 0:
            speech += float(above[active].mean()) * len(piece)
        noise += float(floor.sum()) * len(piece)
    if speech <= 0:
        return SNR_RANGE_DB[0]
    return float(np.clip(10 * np.log10(speech / max(noise, 1e-20)), *SNR_RANGE_DB))


_SNR_PIECE_S = 15.0
_SNR_WINDOW_S, _SNR_HOP_S, _SNR_BAND_HZ = 0.032, 0.008, 125.0
# A quantile of a band's power over time, and the mean of white noise's band power over it, for these windows and bands;
# the second pair where the pauses are gone, in which the lower quantiles of other frames would lie.
_SNR_QUANTILE = 0.08, 3.3
_SNR_QUANTILE_IN_SPEECH = 0.02, 5.7
_SNR_ACTIVE_DB = 25.0
_SILENT_RUN_S = 0.004
# One step of 16 bits, which dither makes of silence. Noise that was recorded moves by more than that within 4 ms.
_SILENT_LEVEL = 1.5 / 32768


def _band_power(samples: np.ndarray, rate: int) -> np.ndarray:
    """Power of each frame in each band: (frames, bands), without the band at 0 Hz."""
    window = round(_SNR_WINDOW_S * rate)
    if len(samples) < window:
        return np.zeros((0, 0))
    frames = np.lib.stride_tricks.sliding_window_view(samples, window)[:: max(1, round(_SNR_HOP_S * rate))]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(window).astype(np.float32), axis=1)) ** 2
    width = max(1, round(_SNR_BAND_HZ * window / rate))
    edges = np.arange(1, spectrum.shape[1], width)
    return np.add.reduceat(spectrum, edges, axis=1)


def _touches_silence(samples: np.ndarray, rate: int, frames: int) -> np.ndarray:
    """Which of `_band_power`'s frames (frames,) hold a stretch of digital silence of 4 ms or more."""
    run = max(1, round(_SILENT_RUN_S * rate))
    quiet = np.concatenate([[0], np.cumsum(np.abs(samples) <= _SILENT_LEVEL)])
    silent = quiet[run:] - quiet[:-run] == run
    before = np.concatenate([[0], np.cumsum(silent)])
    window, hop = round(_SNR_WINDOW_S * rate), max(1, round(_SNR_HOP_S * rate))
    starts = np.arange(frames) * hop
    return before[starts + window - run + 1] > before[starts]


class ClippingMeter:
    """Counts samples in runs at full scale; `add` blocks in order, then `share`."""

    def __init__(self) -> None:
        self._clipped = self._total = 0
        self._tail = np.zeros(0, np.int8)

    def add(self, samples: np.ndarray) -> None:
        side = (samples >= _CLIP_LEVEL).astype(np.int8) - (samples <= -_CLIP_LEVEL).astype(np.int8)
        self._total += len(side)
        side = np.concatenate([self._tail, side])
        starts = np.flatnonzero(np.diff(side, prepend=np.int8(2)))
        lengths = np.diff(starts, append=len(side))
        if not len(starts):
            return
        # The last run may go on in the next block: no more than the longest run that has not counted yet is carried.
        self._tail = side[starts[-1] :][:0] if side[-1] == 0 else side[starts[-1] :]
        done = slice(None) if side[-1] == 0 else slice(None, -1)
        self._clipped += int(lengths[done][(side[starts[done]] != 0) & (lengths[done] >= _CLIP_RUN)].sum())

    def share(self) -> float:
        last = len(self._tail) if len(self._tail) >= _CLIP_RUN else 0
        return (self._clipped + last) / self._total if self._total else 0.0


class LoudnessMeter:
    """Integrated loudness of mono audio after ITU-R BS.1770-4: pyloudnorm's K-weighting with its state carried over."""

    def __init__(self, rate: int) -> None:
        import pyloudnorm

        self._rate = rate
        filters: dict[str, pyloudnorm.IIRfilter] = pyloudnorm.Meter(rate)._filters
        self._filters = [(stage.passband_gain * stage.b, stage.a) for stage in filters.values()]
        self._states = [np.zeros(2) for _ in self._filters]
        self._held = np.zeros(0)
        self._held_from = self._total = 0
        self._energies: list[float] = []

    def add(self, samples: np.ndarray) -> None:
        from scipy.signal import lfilter

        weighted = np.asarray(samples, np.float64)
        for index, (b, a) in enumerate(self._filters):
            weighted, self._states[index] = lfilter(b, a, weighted, zi=self._states[index])
        self._held = np.concatenate([self._held, weighted])
        self._total += len(weighted)
        size = self._rate * _LOUDNESS_BLOCK_S
        while (end := int(_LOUDNESS_BLOCK_S * (len(self._energies) * _LOUDNESS_STEP + 1) * self._rate)) <= self._total:
            begin = int(_LOUDNESS_BLOCK_S * len(self._energies) * _LOUDNESS_STEP * self._rate)
            block = self._held[begin - self._held_from : end - self._held_from]
            self._energies.append(float(np.dot(block, block)) / size)
        keep = int(_LOUDNESS_BLOCK_S * len(self._energies) * _LOUDNESS_STEP * self._rate)
        self._held, self._held_from = self._held[keep - self._held_from :], keep

    def lufs(self) -> float | None:
        energies = np.array(self._energies)
        energies = energies[energies > _lufs_to_energy(_ABSOLUTE_GATE_LUFS)]
        if not len(energies):
            return None
        gate = energies.mean() * 10 ** (-_RELATIVE_GATE_LU / 10)
        return float(-0.691 + 10 * np.log10(energies[energies > gate].mean()))


class BandwidthMeter:
    """Highest frequency that the chain behind a recording carried, from its mean power spectrum over all it holds.

    A frequency counts if it is within 70 dB of the strongest one above 100 Hz, and 10 dB above the emptiest tenth of
    the spectrum; what is within 60 dB counts always, since noise up there shows that the chain carries it. Speech
    upsampled from a telephone shows its own band. Resolution about 100 Hz.
    """

    def __init__(self, rate: int) -> None:
        self._rate = rate
        self._size = 2 ** max(6, round(np.log2(rate / 40)))
        self._window = np.blackman(self._size).astype(np.float32)
        self._power = np.zeros(self._size // 2 + 1)
        self._held = np.zeros(0, np.float32)

    def add(self, samples: np.ndarray) -> None:
        samples = np.concatenate([self._held, samples])
        count = len(samples) // self._size
        frames = samples[: count * self._size].reshape(count, self._size)
        self._held = samples[count * self._size :]
        self._power += (np.abs(np.fft.rfft(frames * self._window, axis=1)) ** 2).sum(axis=0, dtype=np.float64)

    def hertz(self) -> float:
        if not self._power.any():
            return 0.0
        power = np.convolve(self._power, np.ones(5) / 5, mode="valid")
        level = 10 * np.log10(np.maximum(power, power.max() * 1e-14))
        level -= level[round(_BANDWIDTH_FROM_HZ * self._size / self._rate) :].max()
        floor = float(np.mean(np.sort(level)[: max(1, len(level) // 10)]))
        bound = min(max(floor + _ABOVE_FLOOR_DB, _BANDWIDTH_RANGE_DB[0]), _BANDWIDTH_RANGE_DB[1])
        highest = int(np.flatnonzero(level > bound)[-1])
        return self._rate / 2 if highest == len(level) - 1 else (highest + 2) * self._rate / self._size


_BANDWIDTH_FROM_HZ = 100.0
_ABOVE_FLOOR_DB = 10.0
_BANDWIDTH_RANGE_DB = (-70.0, -60.0)


def _decibels(power: float) -> float:
    return float(10 * np.log10(power)) if power > 0 else -np.inf


def _lufs_to_energy(lufs: float) -> float:
    return 10 ** ((lufs + 0.691) / 10)
