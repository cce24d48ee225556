"""Line searches without a gradient."""
