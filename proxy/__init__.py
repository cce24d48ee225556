"""The differentiable side: the loss in torch and the differentiable synthesizer.

Nothing here opens a host: a machine with a GPU and no plug-in can train.
"""
