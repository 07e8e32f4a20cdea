// The two ends of the bench (bench.sv): the array, whose device arithmetic is the golden macro's kernels, and the host,
// which moves words in bulk.  Python gives them work through the functions at the end and fetches what came of it.

#include <cstdint>
#include <cstring>
#include <vector>

#include "sizes.h"
#include "svdpi.h"

struct Cells {  // as model/device/hooks.py
    uint16_t* g; int16_t* diff; uint32_t* quantiles; uint8_t* stuck; int64_t* words;
    int64_t rows, columns, state_bits, read_shift;
};
#define FIELDS(c) c.g, c.diff, c.quantiles, c.stuck, c.words, c.rows, c.columns, c.state_bits, c.read_shift
#define TYPES uint16_t*, int16_t*, uint32_t*, uint8_t*, int64_t*, int64_t, int64_t, int64_t, int64_t
typedef void (*Erase)(TYPES);
typedef void (*Integrate)(TYPES, const uint8_t*, int64_t, int32_t*);
typedef void (*Strobe)(TYPES, int64_t, const uint8_t*, const uint8_t*, int64_t, int64_t);
typedef int64_t (*ReadCell)(TYPES, int64_t, int64_t, int64_t, int64_t);

static const uint64_t RESET_CYCLES = 3;
enum Kind { NOTHING, ACCESS, SAMPLES, COUNTS, PAUSE };
struct Work { Kind kind; const uint8_t* words; int64_t n, length, patience; };

struct Harness {
    Cells cells; Erase erase; Integrate integrate; Strobe strobe; ReadCell read_cell;
    uint8_t codes[ROWS];
    uint32_t integrates = 0, strobes = 0;
    std::vector<uint8_t> log;      // per strobe: row (4 bytes), up, down (a byte per column), depress
    std::vector<uint8_t> taps;     // per cycle with a tap: the cycle (8 bytes), the taps' word
    std::vector<uint32_t> results;
    uint64_t cycles = 0, request = 0;
    Work work = {NOTHING};
    int64_t taken = 0, waited = 0;
    uint32_t response = 0;
    bool offered = false, answered = false, done = false;
    uint32_t from = 0, until = 0;  // traced while the number of integrates is in this range
};
static Harness* present;  // of the simulation under construction: a simulator opens it when it starts

static int64_t part(const svBitVecVal* from, unsigned low, unsigned bits) {
    uint64_t pair = from[low / 32];
    if (low % 32 + bits > 32) pair |= (uint64_t)from[low / 32 + 1] << 32;
    return pair >> (low % 32) & ((1u << bits) - 1);
}
static void bytes_of(const svBitVecVal* mask, uint8_t* out) {
    for (unsigned k = 0; k < COLUMNS; k++) out[k] = mask[k / 32] >> (k % 32) & 1;
}

extern "C" {
int harness_tracing(const Harness* h) { return h->from <= h->integrates && h->integrates < h->until; }
void* array_open() { return present; }
void array_erase(void* it) { Harness& h = *(Harness*)it; h.erase(FIELDS(h.cells)); }
void array_integrate(void* it, const svBitVecVal* shadow, int plane, svBitVecVal* sums) {
    Harness& h = *(Harness*)it;
    uint8_t bits[ROWS];
    if (plane <= 0)  // later planes are of the same codes
        for (unsigned k = 0; k < ROWS; k++) h.codes[k] = part(shadow, k * DAC_BITS, DAC_BITS);
    for (unsigned k = 0; k < ROWS; k++) bits[k] = plane < 0 ? h.codes[k] : h.codes[k] >> plane & 1;
    h.integrate(FIELDS(h.cells), bits, h.integrates++, (int32_t*)sums);
}
int64_t array_reading(void* it, int row, int column, int kind) {
    Harness& h = *(Harness*)it;
    return h.read_cell(FIELDS(h.cells), row, column, kind, h.integrates++);
}
void array_strobe(void* it, int row, const svBitVecVal* up, const svBitVecVal* down, svBit depress) {
    Harness& h = *(Harness*)it;
    size_t at = h.log.size();
    h.log.resize(at + 4 + 2 * COLUMNS + 1);
    uint8_t* entry = h.log.data() + at;
    memcpy(entry, &row, 4);
    bytes_of(up, entry + 4); bytes_of(down, entry + 4 + COLUMNS);
    entry[4 + 2 * COLUMNS] = depress;
    h.strobe(FIELDS(h.cells), row, entry + 4, entry + 4 + COLUMNS, depress, h.strobes++);
}
int array_readout(void* it, int row, int column) {
    const uint16_t* pair = ((Harness*)it)->cells.g + ((int64_t)row * COLUMNS + column) * 2;
    return pair[0] | (uint32_t)pair[1] << 16;
}

void* host_open() { return present; }
void host_taps(void* it, const svBitVecVal* word) {
    Harness& h = *(Harness*)it;
    const uint8_t* cycle = (const uint8_t*)&h.cycles; const uint8_t* bytes = (const uint8_t*)word;
    h.taps.insert(h.taps.end(), cycle, cycle + 8);
    h.taps.insert(h.taps.end(), bytes, bytes + (TAPS_BITS + 7) / 8);
}
// One clock edge: what was transferred in the cycle before it, and what is offered after it.
void host_cycle(void* it, svBit request_ready, svBit samples_ready, svBit counts_ready, svBit response_valid, int response,
                svBit result_valid, int result, svBit* reset, svBit* request_valid, svBitVecVal* request,
                svBit* samples_valid, svBitVecVal* samples, svBit* counts_valid, svBitVecVal* counts, svBit* trace,
                svBit* done) {
    Harness& h = *(Harness*)it;
    Work& w = h.work;
    *trace = harness_tracing(&h);
    *done = h.done;
    *request_valid = *samples_valid = *counts_valid = 0;
    *reset = ++h.cycles < RESET_CYCLES;
    if (h.cycles <= RESET_CYCLES) return;  // what is ready in the reset takes nothing
    if (result_valid) h.results.push_back(result);
    bool ready = w.kind == ACCESS ? request_ready : w.kind == SAMPLES ? samples_ready : counts_ready;
    if (h.offered && ready) { h.taken++; h.waited = 0; } else h.waited++;
    bool ends = w.kind == PAUSE ? h.waited >= w.n : h.taken == w.n || h.waited > w.patience;
    if (w.kind == ACCESS && response_valid) { h.response = response; h.answered = true; }
    if (w.kind == ACCESS) ends = h.answered;
    if (w.kind != NOTHING && ends) { w.kind = NOTHING; h.done = !h.done; }
    h.offered = w.kind != NOTHING && w.kind != PAUSE && h.taken < w.n;
    svBitVecVal* payload = w.kind == ACCESS ? request : w.kind == SAMPLES ? samples : counts;
    if (h.offered) memcpy(payload, w.words + h.taken * w.length, w.length);
    *request_valid = h.offered && w.kind == ACCESS;
    *samples_valid = h.offered && w.kind == SAMPLES;
    *counts_valid = h.offered && w.kind == COUNTS;
    *done = h.done;
}

// -- for Python --
Harness* harness_new(const int64_t* cells, Erase erase, Integrate integrate, Strobe strobe, ReadCell read_cell) {
    present = new Harness;
    memcpy(&present->cells, cells, sizeof present->cells);
    present->erase = erase; present->integrate = integrate; present->strobe = strobe; present->read_cell = read_cell;
    return present;
}
void harness_delete(Harness* h) { delete h; }
void harness_work(Harness* h, int kind, const uint8_t* words, int64_t n, int64_t length, int64_t patience) {
    if (kind == ACCESS) { memcpy(&h->request, words, length); words = (const uint8_t*)&h->request; }
    h->work = {(Kind)kind, words, n, length, patience};
    h->taken = h->waited = 0; h->answered = false;
}
int harness_idle(const Harness* h) { return h->work.kind == NOTHING; }
int64_t harness_taken(const Harness* h) { return h->taken; }
uint32_t harness_response(const Harness* h) { return h->response; }
uint64_t harness_cycles(const Harness* h) { return h->cycles; }
void harness_window(Harness* h, int64_t first, int64_t count) {
    h->from = h->integrates + first; h->until = h->from + count;
}
int64_t harness_fetch(Harness* h, int what, const void** first) {
    if (what == 0) { *first = h->results.data(); return h->results.size() * sizeof h->results[0]; }
    auto& bytes = what == 1 ? h->log : h->taps;
    *first = bytes.data(); return bytes.size();
}
void harness_forget(Harness* h, int what) {
    if (what == 0) h->results.clear(); else (what == 1 ? h->log : h->taps).clear();
}
}
