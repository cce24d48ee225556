"""What the studio's page shows, one module for each part of it."""
