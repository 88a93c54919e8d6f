"""ATECC608 and ATECC508A, crypto chips on I2C: a driver, and keys for `ssl` that stay in them.

    import machine, ssl, atecc608

    chip = atecc608.ATECC608(machine.I2C(0, freq=100_000))
    atecc608.register(chip)  # "ATCA:0" is the key in slot 0
    context.load_cert_chain("ecc.crt.pem", "ATCA:0")

The commands are those of the chips' data sheets. Nothing here locks a zone, which is for ever.
"""

import time

# Words that a write begins with.
_SLEEP, _IDLE, _COMMAND = 1, 2, 3

# Commands, and the longest that each takes, in milliseconds.
_GENKEY, _ECDH, _INFO, _NONCE, _RANDOM, _READ, _SIGN = 0x40, 0x43, 0x30, 0x16, 0x1B, 0x02, 0x41
_TIMES = {_GENKEY: 150, _ECDH: 120, _INFO: 5, _NONCE: 30, _RANDOM: 30, _READ: 8, _SIGN: 150}

_AWAKE = b"\x04\x11\x33\x43"
_TRIES = 4
_CRC_ERROR = 0xFF
_ERRORS = {
    0x01: "miscompare",
    0x03: "the command is malformed, or not of this chip",
    0x05: "the arithmetic failed",
    0x07: "the self test failed",
    0x08: "the random generator failed its test",
    0x0F: "the slot or the zone does not allow it",
    0xEE: "the watchdog is about to expire",
}


class ChipError(OSError):
    """The chip refuses, or does not answer. The second argument says why."""


def crc(data):
    """CRC-16 with the polynomial 0x8005, the lowest bit of each byte first."""
    value = 0
    for byte in data:
        for i in range(8):
            bit = byte >> i & 1 ^ value >> 15
            value = value << 1 & 0xFFFF
            if bit:
                value ^= 0x8005
    return bytes((value & 0xFF, value >> 8))


class ATECC608:
    """The chip at this address of an I2C bus of 100 kHz. A faster one, as MicroPython's are if nothing is said, does
    not wake it."""

    def __init__(self, i2c, address=0x60):
        self.i2c = i2c
        self.address = address
        self.pending = None  # a signature under way: (slot, digest, deadline)
        config = self.config()
        self.serial = config[:4] + config[8:13]
        self.is_508 = config[6] == 0x50
        # 0x55 is unlocked.
        self.config_locked = config[87] != 0x55
        self.data_locked = config[86] != 0x55

    # The wire.

    def wake(self):
        """Wakes the chip: its data line is low for 60 us, as address 0 makes it at 100 kHz."""
        for _ in range(_TRIES):
            try:
                self.i2c.writeto(0, b"")
            except OSError:
                pass  # nobody has this address
            time.sleep_us(1500)
            try:
                if self.i2c.readfrom(self.address, 4) == _AWAKE:
                    return
            except OSError:
                pass
            # It may be awake already, or its answer was garbled: from its sleep it begins anew.
            self._word(_SLEEP)
        raise ChipError(5, "no chip answers")

    def _word(self, word):
        try:
            self.i2c.writeto(self.address, bytes((word,)))
        except OSError:
            pass  # it sleeps

    def idle(self):
        """It keeps what was loaded, and its watchdog stops."""
        self._word(_IDLE)

    def sleep(self):
        self._word(_SLEEP)

    def _send(self, command, mode, parameter, data):
        packet = bytes((len(data) + 7, command, mode, parameter & 0xFF, parameter >> 8)) + data
        self.i2c.writeto(self.address, bytes((_COMMAND,)) + packet + crc(packet))

    def _answer(self, length):
        """The answer to the command; None: it is not ready; its error's number if it is that."""
        try:
            answer = self.i2c.readfrom(self.address, length + 3)
        except OSError:
            return None
        n = answer[0]
        if n < 4 or n > length + 3 or crc(answer[: n - 2]) != answer[n - 2 : n]:
            return _CRC_ERROR
        return answer[1] if n == 4 else answer[1 : n - 2]

    def _finish(self, length, deadline):
        while True:
            answer = self._answer(length)
            if answer is not None:
                return answer
            if time.ticks_diff(deadline, time.ticks_ms()) < 0:
                raise ChipError(110, "the chip does not answer")
            time.sleep_ms(2)

    def _execute(self, command, mode, parameter, data, length):
        self._send(command, mode, parameter, data)
        deadline = time.ticks_add(time.ticks_ms(), _TIMES[command])
        answer = self._finish(length, deadline)
        for _ in range(_TRIES):
            if answer != _CRC_ERROR:
                break
            # It has the answer until the next command.
            answer = self._answer(length)
        if isinstance(answer, int) and (answer != 0 or length != 1):
            raise ChipError(answer, _ERRORS.get(answer, "the line is disturbed"))
        return answer

    def _retry(self, *steps):
        """The answer to the last of these commands, which the chip gets without a sleep between them."""
        self._settle()
        for i in range(_TRIES):
            self.wake()
            try:
                for step in steps:
                    answer = self._execute(*step)
                return answer
            except ChipError as error:
                # As the watchdog's, these go away; what the chip refuses it refuses again.
                if i == _TRIES - 1 or error.errno not in (_CRC_ERROR, 0xEE, 0x08):
                    raise
            except OSError:
                if i == _TRIES - 1:
                    raise
            finally:
                self.sleep()

    # What it does.

    def config(self):
        """The configuration zone, 128 bytes, which says who it is and what each slot is for."""
        return b"".join(self._retry((_READ, 0x80, block << 3, b"", 32)) for block in range(4))

    def random(self):
        return self._retry((_RANDOM, 0, 0, b"", 32))

    def public_key(self, slot):
        """The public half of the private key in a slot: x and y, 64 bytes."""
        self._check_slot(slot)
        return self._retry((_GENKEY, 0, slot, b"", 64))

    def generate(self, slot):
        """Makes a new private key in a slot, where that is allowed, in the place of the old one; its
        public half."""
        self._check_slot(slot)
        return self._retry((_GENKEY, 4, slot, b"", 64))

    def sign(self, slot, digest):
        """Signs a hash with the key in a slot: r and s, 64 bytes."""
        self._check_slot(slot)
        return self._retry(self._load(digest), (_SIGN, 0x80, slot, b"", 64))

    def ecdh(self, slot, point):
        """The secret that the key in a slot and another's public key (x and y) have in common. The slot's
        configuration must allow it, and that it leaves the chip in the clear."""
        self._check_slot(slot)
        # The ATECC608 is told where it goes.
        return self._retry((_ECDH, 0 if self.is_508 else 0x0C, slot, bytes(point), 32))

    def _load(self, digest):
        # ECDSA takes as much of the beginning of a hash as its curve is long (FIPS 186-5 6.4.1).
        digest = bytes(digest[:32])
        return _NONCE, 3, 0, bytes(32 - len(digest)) + digest, 1

    def _check_slot(self, slot):
        if not 0 <= slot < 16:
            raise ValueError("there are slots 0 to 15")
        if not self.config_locked:
            raise ChipError(0x0F, "the configuration zone is not locked")

    # The same signature, without a wait.

    def sign_later(self, slot, digest):
        """As sign(); None while the chip is at work: call again."""
        if self.pending is None:
            self._check_slot(slot)
            try:
                self.wake()
                self._execute(*self._load(digest))
                self._send(_SIGN, 0x80, slot, b"")
            except OSError:
                # With all the tries that it takes.
                self.sleep()
                return self.sign(slot, digest)
            except BaseException:
                self.sleep()
                raise
            self.pending = slot, bytes(digest), time.ticks_add(time.ticks_ms(), _TIMES[_SIGN])
            return None
        mine = self.pending[:2] == (slot, bytes(digest))
        answer = self._answer(64)
        if answer is None and time.ticks_diff(self.pending[2], time.ticks_ms()) > 0:
            return None
        # A signature that nobody asks for any more is let go of, whoever asks.
        self.pending = None
        self.sleep()
        if not mine:
            return None
        if answer is None or isinstance(answer, int):
            # Once more, and if need be more than that, with all that it takes.
            return self.sign(slot, digest)
        return answer

    def _settle(self):
        """Lets a signature under way come to its end."""
        if self.pending is not None:
            try:
                self._finish(64, self.pending[2])
            except ChipError:
                pass
            self.pending = None
            self.sleep()


class Key:
    """The private key in a slot, for SSLContext.load_cert_chain. waits: its `sign` does; without, who
    handshakes goes on with other things meanwhile."""

    def __init__(self, chip, slot=0, waits=False):
        self.chip = chip
        self.slot = slot
        self.waits = waits

    def public_key(self):
        return self.chip.public_key(self.slot)

    def sign(self, digest):
        if self.waits:
            return self.chip.sign(self.slot, digest)
        signature = self.chip.sign_later(self.slot, digest)
        return NotImplemented if signature is None else signature


def register(chip, name="ATCA", waits=False):
    """Has load_cert_chain take "ATCA:0" for the key in slot 0."""
    import ssl

    ssl.key_providers[name] = lambda slot: Key(chip, int(slot or 0), waits)
