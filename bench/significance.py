"""P-values of an arm against its random controls, and Holm's correction over filters. Tables as in `bench.effects`."""

import warnings
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray
