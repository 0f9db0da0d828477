"""Boards as directories: the files of /dev, /sys and /proc that a Raspberry Pi shows, made of plain files and links."""

from __future__ import annotations

import os
from collections.abc import Iterable
from pathlib import Path


class FakeBoard:
    """A machine below a directory. Device nodes are plain files: give `is_device` to whoever reads them."""

    def __init__(self, root: Path, model: str = "", revision: str = "") -> None:
        self.root = root
        (root / "dev").mkdir(parents=True)
        if model:
            self.write("proc/device-tree/model", model + "\0")
        if revision:
            self.write("proc/device-tree/system/linux,revision", bytes.fromhex(revision.rjust(8, "0")))

    @staticmethod
    def is_device(status: os.stat_result) -> bool:
        return True

    def write(self, path: str, content: str | bytes) -> None:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)

    def nodes(self, *paths: str) -> None:
        for path in paths:
            self.write(f"dev/{path}", "")

    def link(self, path: str, target: str) -> None:
        link = self.root / path
        link.parent.mkdir(parents=True, exist_ok=True)
        link.symlink_to(os.path.relpath(self.root / target, link.parent))

    def picture(self, node: str, name: str, hardware: str) -> None:
        """Add a video or media node with what /sys says of it."""
        self.nodes(node)
        device = f"sys/devices/{hardware}"
        if node.startswith("video"):
            self.write(f"{device}/video4linux/{node}/name", name + "\n")
            self.link(f"{device}/video4linux/{node}/device", device)
            self.link(f"sys/class/video4linux/{node}", f"{device}/video4linux/{node}")
        else:
            self.write(f"{device}/{node}/model", name + "\n")
            self.link(f"sys/bus/media/devices/{node}", f"{device}/{node}")

    def pull(self, path: str) -> None:
        """Take a device out."""
        (self.root / "dev" / path).unlink()

    def console(self, *names: str) -> None:
        self.write("sys/class/tty/console/active", " ".join(names) + "\n")

    def temperature(self, degrees: float, kind: str = "cpu-thermal") -> None:
        self.write("sys/class/thermal/thermal_zone0/type", kind + "\n")
        self.write("sys/class/thermal/thermal_zone0/temp", f"{round(degrees * 1000)}\n")

    def throttled(self, word: int, folder: str = "soc/soc:firmware") -> None:
        self.write(f"sys/devices/platform/{folder}/get_throttled", f"{word:x}\n")


def _chip(board: FakeBoard, first_video: int, first_media: int) -> None:
    """Add the coders and the picture processor every Pi up to 4 shows, camera or not."""
    for number, name in enumerate(("decode", "encode", "isp")):
        board.picture(f"video{10 + number}", f"bcm2835-codec-{name}", "platform/bcm2835-codec")
    for number, name in enumerate(("output0", "capture0", "capture1", "stats0")):
        board.picture(f"video{first_video + number}", f"bcm2835-isp-{name}", "platform/bcm2835-isp")
    board.picture(f"media{first_media}", "bcm2835-isp", "platform/bcm2835-isp")
    board.picture(f"media{first_media + 1}", "bcm2835-codec", "platform/bcm2835-codec")
    board.nodes("vchiq", "vcsm-cma", "dma_heap/linux,cma", "dma_heap/system")


def _common(board: FakeBoard, buses: Iterable[int]) -> None:
    board.nodes("null", "tty1", "gpiomem", "spidev0.0", "spidev0.1", *(f"i2c-{bus}" for bus in buses))


def pi_3(root: Path) -> FakeBoard:
    """A Pi 3 with its serial port on the header; Bluetooth has the better one."""
    board = FakeBoard(root, "Raspberry Pi 3 Model B Plus Rev 1.3", "a020d3")
    _common(board, (1, 2))
    board.nodes("gpiochip0", "gpiochip1", "gpiochip2", "ttyS0", "ttyAMA0")
    board.link("dev/serial0", "dev/ttyS0")
    board.link("dev/serial1", "dev/ttyAMA0")
    board.write("sys/class/tty/ttyS0/type", "5\n")
    board.console("tty1")
    board.temperature(48.3)
    board.throttled(0)
    return board


def pi_4(root: Path) -> FakeBoard:
    """A Pi 4 with a camera on its connector, a webcam and a USB serial stick."""
    board = FakeBoard(root, "Raspberry Pi 4 Model B Rev 1.4", "c03114")
    _common(board, (1, 20, 21))
    _chip(board, 13, 1)
    board.nodes("gpiochip0", "gpiochip1", "ttyS0", "ttyUSB0", "v4l-subdev0", "dri/card0", "dri/card1", "dri/renderD128")
    board.picture("video0", "unicam-image", "platform/unicam")
    board.picture("video1", "unicam-embedded", "platform/unicam")
    board.picture("media0", "unicam", "platform/unicam")
    board.picture("video2", "HD Webcam C270", "usb/1-1.2:1.0")
    board.picture("video3", "HD Webcam C270", "usb/1-1.2:1.0")
    board.picture("media5", "HD Webcam C270", "usb/1-1.2:1.0")
    board.link("dev/serial0", "dev/ttyS0")
    board.link("dev/serial/by-id/usb-ITead_Sonoff_Zigbee-if00-port0", "dev/ttyUSB0")
    board.write("sys/class/tty/ttyS0/type", "5\n")
    board.console("tty1", "ttyS0")
    board.temperature(55.5)
    board.throttled(0)
    return board


def pi_5(root: Path) -> FakeBoard:
    """A Pi 5 with two cameras; its console is on the debug connector."""
    board = FakeBoard(root, "Raspberry Pi 5 Model B Rev 1.0", "d04170")
    board.nodes("null", "spidev10.0", "i2c-1", "i2c-13", "ttyAMA0", "ttyAMA10", *(f"gpiomem{n}" for n in range(5)),
                *(f"gpiochip{n}" for n in (0, 10, 11, 12, 13)), "dma_heap/system", "v4l-subdev0", "v4l-subdev1")
    for first, media, hardware in ((0, 0, "platform/axi/1f00110000.csi"), (8, 1, "platform/axi/1f00128000.csi")):
        for number in range(8):
            board.picture(f"video{first + number}", f"rp1-cfe-csi2_ch{number}", hardware)
        board.picture(f"media{media}", "rp1-cfe", hardware)
    board.picture("video20", "pispbe-input", "platform/axi/pispbe")
    board.picture("media2", "pispbe", "platform/axi/pispbe")
    board.picture("video19", "rpivid", "platform/axi/hevc")
    board.link("dev/serial0", "dev/ttyAMA10")
    board.console("ttyAMA10", "tty1")
    board.temperature(60.0)
    board.throttled(0, "soc@107c000000/soc@107c000000:firmware")
    return board


def zero_2(root: Path) -> FakeBoard:
    """A Pi Zero 2 with nothing plugged in, whose kernel only tells of its power supply through hwmon."""
    board = FakeBoard(root, "Raspberry Pi Zero 2 W Rev 1.0", "902120")
    _common(board, (1,))
    _chip(board, 13, 0)
    board.nodes("gpiochip0", "gpiochip1", "ttyS0")
    board.write("sys/class/tty/ttyS0/type", "0\n")
    board.temperature(41.0)
    board.write("sys/class/hwmon/hwmon0/name", "cpu_thermal\n")
    board.write("sys/class/hwmon/hwmon1/name", "rpi_volt\n")
    board.write("sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0\n")
    return board


def pc(root: Path) -> FakeBoard:
    """A PC: ports, chips and buses of its own that are nobody else's business."""
    board = FakeBoard(root)
    board.nodes("null", "tty1", "gpiochip0", "i2c-0", "i2c-1", "spidev0.0", "dri/card0", "dri/renderD128",
                *(f"ttyS{n}" for n in range(4)))
    for number in range(4):
        board.write(f"sys/class/tty/ttyS{number}/type", "4\n" if number == 0 else "0\n")
    board.temperature(90.0, "x86_pkg_temp")
    board.console("ttyS0")
    return board
