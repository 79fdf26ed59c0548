"""Compile transformer models ahead of time and run them, without a framework."""

from transom._tools import compiler

__all__ = ["compiler"]
