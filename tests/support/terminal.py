"""Where commands write to in tests."""

import io
import signal


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


class Interrupting(Terminal):
    """Its user presses Ctrl-C at the first sign of progress."""

    def write(self, text: str) -> int:
        if not self.getvalue():
            signal.raise_signal(signal.SIGINT)
        return super().write(text)
