#!/bin/sh
# One would guess: a library that opens an MP3 says how long it is, and reads it to its end.
# True: an MP3 of varying bit rate that an encoder wrote to a pipe has no frame that counts the others (Xing), and libsndfile
# 1.2.2 (libmpg123 inside) then guesses the length from the size of the file and its first frame. Reading stops at the
# guess: of 60 s that begin quietly far less is read, without an error; with digital silence first the guess is far too
# long. Two files joined are read for as long as the first one's head says. Through a pipe, all of it is read.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install --disable-pip-version-check soundfile==0.14.0 lameenc==1.8.4 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import os
import sys
import threading

import lameenc
import numpy as np
import soundfile as sf

RATE = 44_100


def encoded(samples):
    """VBR, as an encoder hands it out that cannot go back to the start of its output."""
    encoder = lameenc.Encoder()
    encoder.set_in_sample_rate(RATE)
    encoder.set_channels(1)
    encoder.set_vbr(4)
    encoder.set_vbr_quality(4.0)
    encoder.silence()
    return bytes(encoder.encode(samples.tobytes()) + encoder.flush())


def directly(data):
    with sf.SoundFile(io.BytesIO(data)) as file:
        return sum(len(block) for block in file.blocks(RATE)) / RATE


def through_a_pipe(data):
    read, write = os.pipe()
    feeder = threading.Thread(target=lambda: (os.write(write, data[:0]), os.fdopen(write, "wb").write(data)))
    feeder.start()
    with sf.SoundFile(read) as file:
        seconds = 0.0
        while len(block := file.read(RATE)):
            seconds += len(block) / RATE
    feeder.join()
    return seconds


def counted(samples):
    file = io.BytesIO()
    sf.write(file, samples / 32768, RATE, format="MP3")
    return file.getvalue()


rng = np.random.default_rng(0)
time = np.arange(60 * RATE) / RATE
sound = 0.2 * np.sin(2 * np.pi * 220 * time) + 0.1 * rng.standard_normal(len(time)) * (time % 3 > 1.5)
sound = (sound * 32767).clip(-32768, 32767).astype("<i2")
silence_first = np.concatenate([np.zeros(3 * RATE, "<i2"), sound[3 * RATE :]])
joined = counted(sound[: 15 * RATE]) + encoded(sound[: 35 * RATE])
print("soundfile", sf.__version__, "libsndfile", sf.__libsndfile_version__, "lameenc", "1.8.4")
piped, guessed, silent, both = (
    through_a_pipe(encoded(sound)), directly(encoded(sound)), sf.info(io.BytesIO(encoded(silence_first))).duration,
    directly(joined),
)  # fmt: skip
print(f"60 s of varying rate without a head: {guessed:.1f} s read directly, {piped:.1f} s through a pipe")
print(f"60 s that begin with silence: {silent:.1f} s declared")
print(f"15 s with a head joined to 35 s: {both:.1f} s read directly")
as_seen = guessed < 30 and abs(piped - 60) < 0.2 and silent > 80 and abs(both - 15) < 0.2
sys.exit(0 if as_seen else "the behaviour has changed")
PYTHON
