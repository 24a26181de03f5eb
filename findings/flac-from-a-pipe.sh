#!/bin/sh
# One would guess: a FLAC whose header leaves its length open (0 samples, as encoders write to a pipe; RFC 9639 allows it) is
# read to its end like any other.
# True: soundfile 0.14.0 with libsndfile 1.2.2 declares 2^63 - 1 frames for it; `read()` raises "array is too big", and
# reading block by block loses the last block that is not full. A byte range of the same file with the samples counted
# and written into its header is read whole.
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" -q install --disable-pip-version-check soundfile==0.14.0 numpy==2.4.6
"$folder/venv/bin/python" - <<'PYTHON'
import io
import sys

import numpy as np
import soundfile as sf

RATE, SECONDS = 44_100, 3.3
samples = 0.1 * np.random.default_rng(0).standard_normal(round(SECONDS * RATE))
file = io.BytesIO()
sf.write(file, samples, RATE, format="FLAC", subtype="PCM_16")
data = bytearray(file.getvalue())
data[21] &= 0xF0  # the 36 bits of STREAMINFO that count the samples
data[22:26] = bytes(4)
print("soundfile", sf.__version__, "libsndfile", sf.__libsndfile_version__)
declared = sf.info(io.BytesIO(data)).frames
print("frames declared:", declared)
try:
    sf.read(io.BytesIO(data))
    refused = ""
except Exception as error:
    refused = str(error)
print("read():", refused or "works")
heard = 0
with sf.SoundFile(io.BytesIO(data)) as sound:
    try:
        while len(block := sound.read(RATE)):
            heard += len(block)
    except sf.SoundFileError as error:
        print("in blocks of a second:", error)
print(f"in blocks of a second: {heard} of {len(samples)} frames")
as_seen = declared == 2**63 - 1 and bool(refused) and heard <= len(samples)
sys.exit(0 if as_seen else "the behaviour has changed")
PYTHON
