"""Preprocess: the one definition of image or sound -> tensor. Never imports torch.

docs/preprocessing.md and docs/audio-preprocessing.md state every step.
"""

from mobilekit.preprocess.audio import AudioStream, audio_features, decode_audio, preprocess_audio, to_clip
from mobilekit.preprocess.geometry import center_crop, pad_to_center, resized_size
from mobilekit.preprocess.image import decode_image, normalize, preprocess_image, to_pixels
from mobilekit.preprocess.resample import resample
from mobilekit.preprocess.sinc import resample_sound
from mobilekit.preprocess.wav import encode_wav, read_wav

__all__ = [
    "AudioStream",
    "audio_features",
    "center_crop",
    "decode_audio",
    "decode_image",
    "encode_wav",
    "normalize",
    "pad_to_center",
    "preprocess_audio",
    "preprocess_image",
    "read_wav",
    "resample",
    "resample_sound",
    "resized_size",
    "to_clip",
    "to_pixels",
]
