// FpgaTop clocked in this process: bytes become levels on `rx` and levels on `tx` become bytes, bit by bit.

#include <cstdint>
#include <deque>
#include <vector>

#include "Vfpga_top.h"
#include "verilated.h"

static const int RESET_CYCLES = 4, FRAME_BITS = 10;

struct Board {
    VerilatedContext context;
    Vfpga_top top{&context};
    int divisor;
    uint64_t cycles = 0;
    uint64_t line_busy = 0;         // cycles in which a bit was on rx
    std::deque<uint8_t> waiting;    // bytes for rx
    int rx_frame = 0, rx_left = 0;  // bits of the byte on rx, cycles that are left of it
    int tx_frame = 0, tx_bit = -1, tx_timer = 0;
    std::vector<uint8_t> sent;
    uint64_t errors = 0;            // bytes from tx without a stop bit
    uint64_t last = 0;              // cycle in which a line was last not idle

    void rx() {
        if (!rx_left && !waiting.empty()) {
            rx_frame = waiting.front() << 1 | 1 << (FRAME_BITS - 1);
            waiting.pop_front();
            rx_left = FRAME_BITS * divisor;
        }
        top.rx = rx_left ? rx_frame >> (FRAME_BITS - (rx_left + divisor - 1) / divisor) & 1 : 1;
        if (rx_left) { rx_left--; line_busy++; last = cycles; }
    }
    void tx() {
        if (tx_bit < 0) {
            if (top.tx) return;
            tx_bit = 0; tx_frame = 0; tx_timer = divisor + divisor / 2 - 1;  // the middle of the first data bit
        } else if (--tx_timer == 0) {
            tx_timer = divisor;
            if (tx_bit == 8) {
                if (top.tx) sent.push_back(tx_frame); else errors++;
                tx_bit = -1;
            } else tx_frame |= top.tx << tx_bit++;
        }
        last = cycles;
    }
    void cycle() {
        rx();
        top.clk = 1; top.eval();
        tx();
        top.clk = 0; top.eval();
        cycles++;
    }
};

extern "C" {
void* board_new(int divisor) {
    Board* b = new Board;
    b->divisor = divisor;
    b->top.rx = 1; b->top.rst = 1;
    for (int k = 0; k < RESET_CYCLES; k++) b->cycle();
    b->top.rst = 0;
    return b;
}
void board_delete(void* it) { delete (Board*)it; }
// Bytes go to rx after those that wait there already; then so many cycles; *out has what came from tx meanwhile.
int64_t board_run(void* it, const uint8_t* in, int64_t n, int64_t cycles, const uint8_t** out) {
    Board& b = *(Board*)it;
    b.waiting.insert(b.waiting.end(), in, in + n);
    b.sent.clear();
    for (int64_t k = 0; k < cycles; k++) b.cycle();
    *out = b.sent.data();
    return b.sent.size();
}
// Cycles since something happened: a bit on a line, or the controller busy.
int64_t board_quiet(void* it) {
    Board& b = *(Board*)it;
    return b.top.busy ? 0 : b.cycles - b.last;
}
uint64_t board_cycles(void* it) { return ((Board*)it)->cycles; }
uint64_t board_line_busy(void* it) { return ((Board*)it)->line_busy; }
uint64_t board_errors(void* it) { return ((Board*)it)->errors; }
int board_lamps(void* it) { Board& b = *(Board*)it; return b.top.busy | b.top.fault << 1; }
}
