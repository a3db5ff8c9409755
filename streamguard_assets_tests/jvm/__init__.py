"""Tests of Java and its jars, against fake Javas and a mirror on loopback."""
