"""The tests of chatpb, in a folder for each room."""
