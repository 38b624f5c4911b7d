"""Object stores: how they are reached, the objects in them, and their places as paths. Nothing here knows of tables."""
