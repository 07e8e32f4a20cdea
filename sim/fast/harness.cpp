// The controller as a shared library: clocks it, answers its macro port with the golden macro's kernels, and moves
// words between Python and its streams in bulk.  Ports are those of hw/controller.py; "__" is "___05F" for Verilator.

#include <cstdint>
#include <cstring>
#include <vector>

#include "Vcontroller.h"
#include "sizes.h"  // ROWS, COLUMNS, LANES, DAC_BITS, CHANNELS, ADC_BITS

struct Macro {
    uint16_t* g; int16_t* diff; uint32_t* quantiles; uint8_t* stuck; int64_t* words;
    int64_t rows, columns, state_bits, read_shift;
};
#define FIELDS m.g, m.diff, m.quantiles, m.stuck, m.words, m.rows, m.columns, m.state_bits, m.read_shift
#define TYPES uint16_t*, int16_t*, uint32_t*, uint8_t*, int64_t*, int64_t, int64_t, int64_t, int64_t
typedef void (*Erase)(TYPES);
typedef void (*Integrate)(TYPES, const uint8_t*, int64_t, int32_t*);
typedef void (*Strobe)(TYPES, int64_t, const uint8_t*, const uint8_t*, int64_t, int64_t);
typedef int64_t (*ReadCell)(TYPES, int64_t, int64_t, int64_t, int64_t);

template <class Port> static void put(Port& port, const void* bytes, size_t length) {
    memset((void*)&port, 0, sizeof port);
    memcpy((void*)&port, bytes, length < sizeof port ? length : sizeof port);
}
template <class Port> static uint64_t field(const Port& port, unsigned low, unsigned bits) {
    uint64_t value = 0;
    const uint8_t* bytes = (const uint8_t*)&port;
    for (unsigned k = 0; k < bits; k++) value |= (uint64_t)(bytes[(low + k) >> 3] >> ((low + k) & 7) & 1) << k;
    return value;
}
template <class Port> static void bits_to_bytes(const Port& port, uint8_t* out) {
    const uint8_t* bytes = (const uint8_t*)&port;
    for (unsigned k = 0; k < COLUMNS; k++) out[k] = bytes[k >> 3] >> (k & 7) & 1;
}

struct Simulation {
    VerilatedContext context;
    Vcontroller t{&context, "TOP"};
    Macro m; Erase erase; Integrate integrate; Strobe strobe; ReadCell read_cell;
    uint8_t shadow[ROWS + LANES] = {}, codes[ROWS + LANES] = {}, up[COLUMNS], down[COLUMNS];
    int32_t sums[COLUMNS] = {};
    int64_t integrates = 0, strobes = 0;
    uint64_t cycles = 0, busy = 0;
    bool was_strobe = false;
    bool request_ready = false, samples_ready = false, counts_ready = false;  // in the last cycle
    bool response_valid = false; uint64_t response = 0;
    std::vector<uint32_t> results;
    std::vector<uint8_t> log;  // per strobe: row (4 bytes), up, down (a byte per column), depress

    // Inputs are set: let them settle, see what is transferred in this cycle, clock, and set what the array answers.
    void cycle() {
        t.clk = 0; t.eval();
        bool dac = t.macro___05Fdac_valid, swap = t.macro___05Fintegrate, clear = t.macro___05Ferase;
        bool read = t.macro___05Freadout, strobing = t.macro___05Fwrite___05Fstrobe;
        request_ready = t.request___05Fready; samples_ready = t.samples___05Fready; counts_ready = t.counts___05Fready;
        response_valid = t.response___05Fvalid; response = field(t.response___05Fpayload, 0, 32);
        if (t.results___05Fvalid) results.push_back(field(t.results___05Fpayload, 0, 32));
        if (dac) load();
        if (swap) take();
        if (clear) { erase(FIELDS); busy = 1; }
        if (read) read_out();
        if (strobing && !was_strobe) pulse();
        if (busy && !swap && !clear && !read) busy--;
        was_strobe = strobing;
        t.clk = 1; t.eval();
        t.macro___05Fready = !busy && !strobing;
        compare();
        cycles++;
    }
    void load() {
        unsigned word = t.macro___05Fdac_word;
        for (unsigned k = 0; k < LANES; k++)
            if (word * LANES + k < ROWS) shadow[word * LANES + k] = field(t.macro___05Fdac_codes, k * DAC_BITS, DAC_BITS);
    }
    void take() {
        memcpy(codes, shadow, ROWS);
        integrate(FIELDS, codes, integrates, sums);
        integrates = (integrates + 1) & 0xFFFFFFFF;
        busy = t.macro___05Fintegrate_cycles ? t.macro___05Fintegrate_cycles : 1;
    }
    void read_out() {
        const uint16_t* pair = m.g + (t.macro___05Freadout_row * COLUMNS + t.macro___05Freadout_column) * 2;
        t.macro___05Freadout_plus = pair[0]; t.macro___05Freadout_minus = pair[1];
        busy = 1;
#if VERIFY
        if (unsigned kind = t.macro___05Freadout_kind) {
            int64_t reading = read_cell(FIELDS, t.macro___05Freadout_row, t.macro___05Freadout_column, kind, integrates);
            t.macro___05Freading = reading & ((int64_t(1) << READING_BITS) - 1);
            integrates = (integrates + 1) & 0xFFFFFFFF;
            busy = t.macro___05Fintegrate_cycles;  // a reading integrates like a read
        }
#endif
    }
    void pulse() {
        int32_t row = t.macro___05Fwrite___05Frow; uint8_t depress = t.macro___05Fwrite___05Fdepress;
        bits_to_bytes(t.macro___05Fwrite___05Fup, up); bits_to_bytes(t.macro___05Fwrite___05Fdown, down);
        strobe(FIELDS, row, up, down, depress, strobes);
        strobes = (strobes + 1) & 0xFFFFFFFF;
        log.insert(log.end(), (uint8_t*)&row, (uint8_t*)&row + 4);
        log.insert(log.end(), up, up + COLUMNS); log.insert(log.end(), down, down + COLUMNS);
        log.push_back(depress);
    }
    void compare() {
        int64_t lsb = t.macro___05Flsb;
        uint8_t bytes[(CHANNELS + 7) / 8] = {};
        for (unsigned k = 0, column = t.macro___05Fgroup * CHANNELS; k < CHANNELS && column < COLUMNS; k++, column++) {
            int64_t trial = field(t.macro___05Ftrial, k * ADC_BITS, ADC_BITS);
            if (trial >> (ADC_BITS - 1)) trial -= int64_t(1) << ADC_BITS;
            if (2 * int64_t(sums[column]) >= (2 * trial - 1) * lsb) bytes[k >> 3] |= 1 << (k & 7);
        }
        put(t.macro___05Fcompare, bytes, sizeof bytes);
    }
};

// Returns how many words were taken; gives up after `patience` cycles without one.
template <class Valid, class Payload>
static int64_t send(Simulation& s, Valid& valid, Payload& payload, const bool& ready, const uint8_t* words, int64_t n,
                    int64_t length, int64_t patience) {
    int64_t taken = 0;
    valid = 1;
    for (int64_t waited = 0; taken < n && waited < patience; waited++) {
        put(payload, words + taken * length, length);
        s.cycle();
        if (ready) { taken++; waited = -1; }
    }
    valid = 0;
    put(payload, "", 0);
    return taken;
}

extern "C" {
void* simulation_new(const int64_t* macro, Erase erase, Integrate integrate, Strobe strobe, ReadCell read_cell) {
    Simulation* s = new Simulation;
    memcpy(&s->m, macro, sizeof s->m);
    s->erase = erase; s->integrate = integrate; s->strobe = strobe; s->read_cell = read_cell;
    s->t.results___05Fready = 1; s->t.response___05Fready = 1; s->t.image___05Fready = 1;
    s->t.macro___05Fdac_ready = 1; s->t.macro___05Fready = 1;
    s->t.rst = 1; s->cycle(); s->cycle(); s->t.rst = 0;
    return s;
}
void simulation_delete(void* p) { delete (Simulation*)p; }
uint32_t simulation_access(void* p, uint64_t request) {
    Simulation& s = *(Simulation*)p;
    send(s, s.t.request___05Fvalid, s.t.request___05Fpayload, s.request_ready, (uint8_t*)&request, 1, sizeof request,
         INT64_MAX);
    do s.cycle(); while (!s.response_valid);
    return s.response;
}
int64_t simulation_samples(void* p, const uint8_t* words, int64_t n, int64_t length, int64_t patience) {
    Simulation& s = *(Simulation*)p;
    return send(s, s.t.samples___05Fvalid, s.t.samples___05Fpayload, s.samples_ready, words, n, length, patience);
}
int64_t simulation_counts(void* p, const uint8_t* words, int64_t n, int64_t length, int64_t patience) {
    Simulation& s = *(Simulation*)p;
    return send(s, s.t.counts___05Fvalid, s.t.counts___05Fpayload, s.counts_ready, words, n, length, patience);
}
void simulation_pause(void* p, int64_t cycles) { while (cycles--) ((Simulation*)p)->cycle(); }
uint64_t simulation_cycles(void* p) { return ((Simulation*)p)->cycles; }
int64_t simulation_results(void* p, const uint32_t** first) {
    auto& results = ((Simulation*)p)->results; *first = results.data(); return results.size();
}
int64_t simulation_strobes(void* p, const uint8_t** first) {
    auto& log = ((Simulation*)p)->log; *first = log.data(); return log.size();
}
void simulation_forget(void* p, int what) {
    if (what) ((Simulation*)p)->log.clear(); else ((Simulation*)p)->results.clear();
}
}
