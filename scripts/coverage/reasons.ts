// Where PyTorch's names are not ours: what stands in their place, and why others are left out. The only table of its kind;
// what is in neither and not there under its own name is "not yet".

/** What does the same under another name, as a path from the package; a call in words after it is for the reader. */
export const elsewhere: Record<string, string> = {
  'torch.as_tensor': 'torch.tensor',
  'torch.asarray': 'torch.tensor',
  'torch.from_numpy': 'checkpoint.loadNpz',
  'torch.frombuffer': 'torch.fromBuffer',
  'torch.load': 'checkpoint.loadTorch',
  'torch.save': 'checkpoint.saveTorch',
  'torch.compile': 'capture',
  'torch.seed': 'torch.manualSeed',
  'torch.initial_seed': 'torch.manualSeed',
  'torch.is_autocast_enabled': 'torch.autocast',
  'torch.set_autocast_enabled': 'torch.autocast',
  'torch.set_autocast_dtype': 'torch.autocast',
  'torch.get_autocast_dtype': 'torch.autocast',
  'torch.set_grad_enabled': 'torch.enableGrad',
  'torch.use_deterministic_algorithms': 'torch.backends',
  'torch.are_deterministic_algorithms_enabled': 'torch.backends',
  'torch.set_float32_matmul_precision': 'torch.backends',
  'torch.get_float32_matmul_precision': 'torch.backends',
  'torch.is_tensor': 'Tensor',
  'torch.GradScaler': 'amp.GradScaler',
  'torch.get_num_interop_threads': 'torch.getNumThreads',
  'torch.Tensor.numpy': 'Tensor.prototype.toArray',
  'torch.Tensor.new': 'Tensor.prototype.newEmpty',
  'torch.Tensor.type': 'Tensor.prototype.to',
  'torch.Tensor.xpu': 'Tensor.prototype.to',
  'torch.Tensor.data_ptr': 'Tensor.prototype.storage',
  'torch.Tensor.const_data_ptr': 'Tensor.prototype.storage',
  'torch.Tensor.untyped_storage': 'Tensor.prototype.storage',
};

/** Why a name is left out: by area and a pattern of names. */
export const leftOut: readonly { area: string; names: RegExp; why: string }[] = [
  // Tensor
  {
    area: 'torch.Tensor',
    names: /^(solve|lstsq|eig|symeig|reinforce|volatile)$/,
    why: 'raises in PyTorch, or means nothing there any more',
  },
  {
    area: 'torch.Tensor',
    names: /^(apply_|map_|map2_)$/,
    why: 'would run JavaScript for each element; operators and `toArray()` do it faster',
  },
  {
    area: 'torch.Tensor',
    names: /^register_post_accumulate_grad_hook$/,
    why: '`registerHook` has the gradient before it is added up',
  },
  {
    area: 'torch.Tensor',
    names: /^(grad_fn|grad_dtype|name)$/,
    why: 'the graph has no JavaScript side; `isLeaf` and `outputNr` tell what is asked for',
  },
  {
    area: 'torch.Tensor',
    names: /^(is_)?(ipu|maia|mtia|vulkan|xla)$/,
    why: 'no LibTorch that this package runs on has the device',
  },
  {
    area: 'torch.Tensor',
    names: /^is_(mkldnn|nested)$/,
    why: '`layout` is undefined for what is not strided or sparse',
  },
  { area: 'torch.Tensor', names: /^(is_shared|share_memory_)$/, why: 'processes share no tensors' },
  { area: 'torch.Tensor', names: /^(as_subclass|module_load)$/, why: 'details of subclassing in Python' },
  { area: 'torch.Tensor', names: /^storage_type$/, why: 'deprecated in PyTorch: storages have no type' },
  { area: 'torch.Tensor', names: /^dim_order$/, why: 'experimental in PyTorch; `stride()` tells' },

  // torch
  { area: 'torch', names: /^(solve|lstsq|eig|symeig|matrix_rank)$/, why: 'raises in PyTorch; `torch.linalg` has it' },
  {
    area: 'torch',
    names: /^(dtype|layout|memory_format|device)$/,
    why: 'dtypes, layouts, memory formats and devices are strings',
  },
  { area: 'torch', names: /^Size$/, why: 'shapes are arrays' },
  {
    area: 'torch',
    names: /^sym_|^(thread_safe_generator|unify_type_list|merge_type_from_type_comment)$/,
    why: "of PyTorch's compiler",
  },
  {
    area: 'torch',
    names: /^(parse_|import_ir)|^(fork|wait)$/,
    why: "of TorchScript's compiler; `loadScript` runs what it made",
  },
  {
    area: 'torch',
    names: /^(cond|while_loop|vmap)$/,
    why: 'take Python functions apart; a captured step records what runs',
  },
  {
    area: 'torch',
    names: /autocast.*(cpu|gpu|ipu|xla|cache|nesting)|(cpu|gpu|ipu|xla|cache|nesting).*autocast/,
    why: 'deprecated or internal; `torch.autocast` has the device and the cache as options',
  },
  { area: 'torch', names: /^(to|from)_dlpack$/, why: 'no other library shares its memory with JavaScript' },
  {
    area: 'torch',
    names: /default_(dtype|device|tensor_type)$/,
    why: 'no global state: `dtype` and `device` are arguments',
  },
  {
    area: 'torch',
    names: /anomaly|warn|^set_deterministic_debug_mode$|^get_deterministic_debug_mode$/,
    why: "of Python's warnings and stack traces",
  },
  { area: 'torch', names: /^(dsmm|hsmm|saddmm|spmm)$/, why: 'undocumented aliases of `sparse.mm` and `sspaddmm`' },
  {
    area: 'torch',
    names: /^(Event|Stream)$/,
    why: 'captured steps order their own work; `torch.cuda.synchronize()` waits',
  },
  { area: 'torch', names: /^is_storage$/, why: 'a storage is a plain object: `x.storage()`' },
  {
    area: 'torch',
    names:
      /^(classproperty|compiled_with_cxx11_abi|get_file_path|prepare_multiprocessing_environment|profiler_allow.*|typename|get_device_module|init_num_threads)$/,
    why: "internal to PyTorch's Python",
  },
  {
    area: 'torch',
    names: /^(set_num_interop_threads|set_flush_denormal)$/,
    why: 'has to be said before LibTorch starts: the environment does it',
  },
  { area: 'torch', names: /^is_inference_mode_enabled$/, why: '`inferenceMode` takes a function, which knows' },
  {
    area: 'torch',
    names: /^lobpcg$/,
    why: 'an iterative solver in Python; `torch.linalg.eigh` and `svdLowrank` serve',
  },

  // nn
  { area: 'torch.nn', names: /^(Container|NLLLoss2d)$/, why: 'deprecated in PyTorch' },
  {
    area: 'torch.nn',
    names: /^(DataParallel)$/,
    why: 'splits a batch over Python threads; PyTorch advises against it',
  },
  { area: 'torch.nn', names: /^RNN(Cell)?Base$/, why: 'bases of the recurrent layers, which are here' },
  {
    area: 'torch.nn',
    names: /^LinearCrossEntropyOptions$/,
    why: 'trade time for memory; the loss is the same without them',
  },

  // nn.functional
  {
    area: 'torch.nn.functional',
    names: /^(assert_int_or_pair|boolean_dispatch|.*torch_function.*)$/,
    why: 'internal to PyTorch',
  },
  {
    area: 'torch.nn.functional',
    names: /^scaled_(grouped_)?mm$/,
    why: 'products of float8 matrices, for GPUs alone: `torch.ops.aten._scaledMmV2` is the operator',
  },
];
