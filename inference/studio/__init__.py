"""The studio: a local web page for ``refine``. The only package that knows the page's library, NiceGUI."""
