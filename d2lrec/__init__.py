"""Every recorder of the Rust framework Burn, in Python, byte for byte.

What is saved here opens in Burn 0.21.0, and what Burn saved opens here:

    recorder = d2lrec.NamedMpkFileRecorder()
    d2lrec.save_file(net, "mlp", recorder)  # writes mlp.mpk
    d2lrec.load_file(net, "mlp", recorder)

`import d2lrec` is quick: torch is imported with the first name that needs it.
"""

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach_stub(__name__, __file__)

__version__ = "0.1.0"
