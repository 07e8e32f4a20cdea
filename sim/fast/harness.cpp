// The two ends of the bench (bench.sv): the arrays, whose device arithmetic is the golden macro's kernels, and the host,
// which moves words in bulk.  Between them it looks at the taps and leaves a digest of each item of each stage.  Python
// gives work through the functions at the end and fetches what came of it.

#include <cstdint>
#include <cstring>
#include <vector>

#include "sizes.h"
#include "svdpi.h"

struct Cells {  // as model/device/hooks.py
    uint16_t* g; int16_t* diff; uint32_t* quantiles; uint8_t* stuck; int64_t* words; int64_t* errors;
    int64_t rows, columns, channels, state_bits, read_shift;
};
#define FIELDS(c) c.g, c.diff, c.quantiles, c.stuck, c.words, c.errors, c.rows, c.columns, c.channels, c.state_bits, \
    c.read_shift
#define TYPES uint16_t*, int16_t*, uint32_t*, uint8_t*, int64_t*, int64_t*, int64_t, int64_t, int64_t, int64_t, int64_t
struct Hooks {  // in this order
    void (*erase)(TYPES);
    void (*integrate)(TYPES, const uint8_t*, int64_t, int64_t, int32_t*);
    void (*integrate_transposed)(TYPES, int64_t, int64_t, int64_t, int64_t, int64_t, int64_t, int32_t*);
    void (*strobe)(TYPES, int64_t, const uint8_t*, const uint8_t*, int64_t, int64_t);
    int64_t (*read_cell)(TYPES, int64_t, int64_t, int64_t, int64_t);
    int64_t (*digest)(const int32_t*, int64_t);
};
struct Array {  // one macro
    const Hooks* hooks; Cells cells;
    int dac_bits, channels;
    uint8_t codes[MOST_ROWS];
    uint32_t integrates, strobes;
    int64_t full() const { return (1 << dac_bits) - 1; }
};

struct Run { int32_t low, bits, is_signed, count; };  // as sim/items.py
struct Stage {
    std::vector<Run> runs; int32_t last, skip, transfers, keeps_all; std::vector<int32_t> order;
    std::vector<int32_t> collected, item, all; int32_t seen = 0;
    std::vector<uint32_t> digests;
    uint64_t first = 0, end = 0;  // numbers of the items that are kept
};
// Traced from the item `start` of one stage until `item` of another is there, and so is `stop` of the first.
struct Window { const Stage* clock = nullptr; const Stage* stage = nullptr; uint64_t start, stop, item; };

static const uint64_t RESET_CYCLES = 3;
enum Kind { NOTHING, ACCESS, SAMPLES, COUNTS, PAUSE };
struct Work { Kind kind; const uint8_t* words; int64_t n, length, patience; };

struct Harness {
    Hooks hooks;
    std::vector<Array> arrays;
    std::vector<Stage> stages;
    std::vector<int32_t> kept;     // per item: stage, number, how many elements, the elements
    std::vector<uint32_t> results;
    Window window;
    uint64_t cycles = 0, request = 0;
    Work work = {NOTHING};
    int64_t taken = 0, waited = 0;
    uint32_t response = 0;
    bool offered = false, answered = false, done = false;
};
static Harness* present;  // of the simulation under construction: a simulator opens it when it starts

static int64_t part(const svBitVecVal* from, unsigned low, unsigned bits) {
    uint64_t pair = from[low / 32];
    if (low % 32 + bits > 32) pair |= (uint64_t)from[low / 32 + 1] << 32;
    return pair >> (low % 32) & ((1ull << bits) - 1);
}
static void bytes_of(const svBitVecVal* mask, uint8_t* out, unsigned columns) {
    for (unsigned k = 0; k < columns; k++) out[k] = mask[k / 32] >> (k % 32) & 1;
}

// A transfer that the tap of a stage shows.
static void tap(Harness& h, int number, const svBitVecVal* word) {
    Stage& s = h.stages[number];
    if (s.skip >= 0 && part(word, s.skip, 1)) return;
    for (const Run& r : s.runs)
        for (int k = 0; k < r.count; k++) {
            uint32_t value = part(word, r.low + k * r.bits, r.bits);
            s.collected.push_back(r.is_signed ? (int32_t)(value << (32 - r.bits)) >> (32 - r.bits) : (int32_t)value);
        }
    bool ends = s.last >= 0 ? part(word, s.last, 1) : s.seen + 1 == s.transfers;
    if (!ends) { s.seen++; return; }
    const std::vector<int32_t>* item = &s.collected;
    if (s.seen + 1 == s.transfers) {  // else it has another number of elements, which is a difference
        for (size_t k = 0; k < s.order.size(); k++) s.item[k] = s.collected[s.order[k]];
        item = &s.item;
    }
    uint64_t index = s.digests.size();
    s.digests.push_back(h.hooks.digest(item->data(), item->size()));
    if (s.keeps_all) s.all.insert(s.all.end(), item->begin(), item->end());
    if (s.first <= index && index < s.end) {
        h.kept.insert(h.kept.end(), {number, (int32_t)index, (int32_t)item->size()});
        h.kept.insert(h.kept.end(), item->begin(), item->end());
    }
    s.collected.clear();
    s.seen = 0;
}

extern "C" {
int harness_passed(const Harness* h) {
    const Window& w = h->window;
    return w.clock && w.stage->digests.size() > w.item && w.clock->digests.size() > w.stop;
}
int harness_tracing(const Harness* h) {
    return h->window.clock && h->window.clock->digests.size() >= h->window.start && !harness_passed(h);
}
void* array_open(int place, int dac_bits, int channels) {
    if (!present) return nullptr;
    Array& a = present->arrays[place];
    a.dac_bits = dac_bits; a.channels = channels;
    return &a;
}
void array_erase(void* it) { Array& a = *(Array*)it; a.hooks->erase(FIELDS(a.cells)); }
void array_integrate(void* it, const svBitVecVal* shadow, int plane, svBitVecVal* sums) {
    Array& a = *(Array*)it;
    uint8_t bits[MOST_ROWS];
    if (plane <= 0)  // later planes are of the same codes
        for (unsigned k = 0; k < a.cells.rows; k++) a.codes[k] = part(shadow, k * a.dac_bits, a.dac_bits);
    for (unsigned k = 0; k < a.cells.rows; k++) bits[k] = plane < 0 ? a.codes[k] : a.codes[k] >> plane & 1;
    a.hooks->integrate(FIELDS(a.cells), bits, plane < 0 ? a.full() : 1, a.integrates++, (int32_t*)sums);
}
void array_integrate_transposed(void* it, int raised, int lowered, int first_row, svBitVecVal* sums) {
    Array& a = *(Array*)it;
    a.hooks->integrate_transposed(
        FIELDS(a.cells), raised, lowered, first_row, a.full(), a.integrates++, a.channels, (int32_t*)sums);
}
int64_t array_reading(void* it, int row, int column, int kind) {
    Array& a = *(Array*)it;
    return a.hooks->read_cell(FIELDS(a.cells), row, column, kind, a.integrates++);
}
void array_strobe(void* it, int row, const svBitVecVal* up, const svBitVecVal* down, svBit depress) {
    Array& a = *(Array*)it;
    uint8_t masks[2][MOST_COLUMNS];
    bytes_of(up, masks[0], a.cells.columns); bytes_of(down, masks[1], a.cells.columns);
    a.hooks->strobe(FIELDS(a.cells), row, masks[0], masks[1], depress, a.strobes++);
}
int array_readout(void* it, int row, int column) {
    const Cells& c = ((Array*)it)->cells;
    const uint16_t* pair = c.g + (row * c.columns + column) * 2;
    return pair[0] | (uint32_t)pair[1] << 16;
}

void* host_open() { return present; }
#define TAP(number, name) void host_tap_##name(void* it, const svBitVecVal* word) { tap(*(Harness*)it, number, word); }
STAGES(TAP)
// One clock edge: what was transferred in the cycle before it, and what is offered after it.
void host_cycle(void* it, svBit request_ready, svBit samples_ready, svBit counts_ready, svBit response_valid, int response,
                svBit result_valid, int result, svBit* reset, svBit* request_valid, svBitVecVal* request,
                svBit* samples_valid, svBitVecVal* samples, svBit* counts_valid, svBitVecVal* counts, svBit* done) {
    Harness& h = *(Harness*)it;
    Work& w = h.work;
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
Harness* harness_new(const int64_t* cells, int64_t arrays, const Hooks* hooks) {
    Harness* h = present = new Harness;
    h->hooks = *hooks;
    h->arrays.resize(arrays);
    for (int64_t k = 0; k < arrays; k++) {
        h->arrays[k] = {&h->hooks};
        memcpy(&h->arrays[k].cells, cells + k * (sizeof(Cells) / sizeof *cells), sizeof(Cells));
    }
    return h;
}
void harness_delete(Harness* h) { delete h; }
void harness_stage(Harness* h, const Run* runs, int64_t n, int last, int skip, int transfers, int keeps_all,
                   const int32_t* order, int64_t length) {
    Stage s = {{runs, runs + n}, last, skip, transfers, keeps_all, {order, order + length}};
    s.item.resize(length);
    h->stages.push_back(s);
}
void harness_work(Harness* h, int kind, const uint8_t* words, int64_t n, int64_t length, int64_t patience) {
    if (kind == ACCESS) { memcpy(&h->request, words, length); words = (const uint8_t*)&h->request; }
    h->work = {(Kind)kind, words, n, length, patience};
    h->taken = h->waited = 0; h->answered = false;
}
int harness_idle(const Harness* h) { return h->work.kind == NOTHING; }
int64_t harness_taken(const Harness* h) { return h->taken; }
uint32_t harness_response(const Harness* h) { return h->response; }
uint64_t harness_cycles(const Harness* h) { return h->cycles; }
void harness_restart(Harness* h) {
    for (Stage& s : h->stages) { s.collected.clear(); s.all.clear(); s.digests.clear(); s.seen = 0; s.first = s.end = 0; }
    h->kept.clear();
    h->window.clock = nullptr;
}
void harness_keep(Harness* h, int stage, int64_t first, int64_t end) {
    h->stages[stage].first = first; h->stages[stage].end = end;
}
void harness_window(Harness* h, int clock, int64_t start, int64_t stop, int stage, int64_t item) {
    h->window = {&h->stages[clock], &h->stages[stage], (uint64_t)start, (uint64_t)stop, (uint64_t)item};
}
int64_t harness_results(Harness* h, const void** first) { *first = h->results.data(); return h->results.size(); }
int64_t harness_all(Harness* h, int stage, const void** first) {
    *first = h->stages[stage].all.data(); return h->stages[stage].all.size();
}
int64_t harness_kept(Harness* h, const void** first) { *first = h->kept.data(); return h->kept.size(); }
int64_t harness_digests(Harness* h, int stage, const void** first) {
    *first = h->stages[stage].digests.data(); return h->stages[stage].digests.size();
}
void harness_forget_results(Harness* h) { h->results.clear(); }
}
