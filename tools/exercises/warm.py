"""Imported once by the process that every student's process is a copy of."""

import IPython.core.inputtransformer2
import IPython.display
import matplotlib.pyplot
import numpy
import sklearn.datasets
import torch
import torch._dynamo  # what script and export import at their first call

import d2lrec
import tools.exercises.runner

__all__ = ["IPython", "d2lrec", "matplotlib", "numpy", "sklearn", "tools", "torch"]

for name in d2lrec.__all__:  # the library imports lazily: let it do so now
    getattr(d2lrec, name)
