"""A terminal that understands what the program's progress writes, for looking at what is left on the screen."""
import fcntl
import re
import struct
import termios

PIECES = re.compile(r'\033\[(\d*)([A-Za-z])|\r|\n|[^\r\n\033]+', re.S)


def resize(fd, rows, columns):
    fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))


class Screen:
    """Endless downwards; lines wrap at the width, as terminals do."""

    def __init__(self, columns):
        self.columns, self.lines, self.row, self.column = columns, [''], 0, 0

    def text(self):
        """The lines, without empty ones at the end."""
        lines = [line.rstrip() for line in self.lines]
        while lines and not lines[-1]:
            lines.pop()
        return lines

    def write(self, data):
        for m in PIECES.finditer(data):
            if m[2]:
                self._control(m[2], int(m[1] or 0))
            elif m[0] == '\r':
                self.column = 0
            elif m[0] == '\n':
                self._down()
            else:
                for c in m[0]:
                    self._put(c)

    def _down(self):
        self.row += 1
        if self.row == len(self.lines):
            self.lines.append('')

    def _put(self, c):
        if self.column == self.columns:
            self.column = 0
            self._down()
        line = self.lines[self.row].ljust(self.column)
        self.lines[self.row] = line[:self.column] + c + line[self.column + 1:]
        self.column += 1

    def _control(self, letter, number):
        if letter == 'A':
            self.row -= number or 1
            assert self.row >= 0, 'the cursor left the screen'
        elif letter == 'J':
            self.lines[self.row] = self.lines[self.row][:self.column]
            del self.lines[self.row + 1:]
        elif letter != 'm':
            raise AssertionError(f'an unknown control sequence ends in {letter}')
