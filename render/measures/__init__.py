"""How far two sounds are from each other, and the golden renders that everything is held against."""
