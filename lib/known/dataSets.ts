// The data sets by name: how many images they have, what their classes are called, who may use them; their files, where they
// are published and how to recognise them. A data set is one row here; what reads the files of its format is in lib/data
// (sources.ts), and the compiler asks for one where the format is new.
//
// An IDX file is recognised by its contents: the .gz as published, by the digest that its publisher or the common libraries
// give; any other packing of it (Debian compresses anew), by the digest of what is inside, taken from files that passed the
// first test.

import { type Statistics, statistics } from './statistics.js';
import { namesOf } from './table.js';

export type Split = 'train' | 'test';

/** What is known of every set. */
export interface DataSetFacts {
  readonly title: string;
  readonly classes: readonly string[];
  /** How many there are in each split. */
  readonly images: Readonly<Record<Split, number>>;
  /** Whether every class has the same number of them in each split. */
  readonly balanced: boolean;
  /** What they show, where another set shows it too: neither is unknown to a network that was trained on the other. */
  readonly shows?: string;
  /** The customary ones. @default measured from the training images */
  readonly statistics?: Statistics;
  readonly licence: string;
  readonly homepage: string;
}

/** `sha256:…` or `md5:…`, in hex. */
export type Digest = `sha256:${string}` | `md5:${string}`;

export interface SourceFile {
  /** Without `.gz`. */
  readonly name: string;
  /** Of the gzipped file as published. */
  readonly gzip: Digest;
  /** Of the file inside; absent where nobody has published one and we had no copy. */
  readonly content?: Digest;
}

/** Where the IDX files of a set are and what they are. */
export interface ImageSource extends Pick<DataSetFacts, 'title' | 'classes' | 'statistics' | 'licence' | 'homepage'> {
  readonly name: string;
  /** Folder in which torchvision keeps the same files, below its root. */
  readonly torchvision: string;
  /** Debian's package of the set, and the folder that it installs. */
  readonly debian?: { readonly package: string; readonly folder: string };
  /** Addresses to which a file's name and `.gz` are appended, in the order in which they are tried. */
  readonly addresses: readonly string[];
  readonly files: Readonly<Record<Split, { readonly images: SourceFile; readonly labels: SourceFile }>>;
}

/** In MNIST's format. */
export interface IdxEntry extends DataSetFacts, ImageSource {
  readonly format: 'idx';
}

/** CIFAR's binary version: records of labels and of 3 × 32 × 32 pixels, colour plane by colour plane. Not fetched. */
export interface CifarEntry extends DataSetFacts {
  readonly format: 'cifar';
  readonly name: string;
  /** Folders that the files may be in, as the archive has them or we do. */
  readonly folders: readonly string[];
  readonly archive: string;
  readonly files: Readonly<Record<Split, readonly string[]>>;
  /** Bytes before the pixels; the last of them is the label. */
  readonly labels: number;
}

/** Inside the package. */
export interface DigitsEntry extends DataSetFacts {
  readonly format: 'digits';
}

export type DataSetEntry = IdxEntry | CifarEntry | DigitsEntry;

const digits = ['0', '1', '2', '3', '4', '5', '6', '7', '8', '9'] as const;

/** The four files under their usual names, from [gzip, content] digests. */
function files(
  digests: Record<'trainImages' | 'trainLabels' | 'testImages' | 'testLabels', readonly [Digest, Digest?]>,
): ImageSource['files'] {
  const file = (name: string, [gzip, content]: readonly [Digest, Digest?]): SourceFile =>
    content ? { name, gzip, content } : { name, gzip };
  return {
    train: {
      images: file('train-images-idx3-ubyte', digests.trainImages),
      labels: file('train-labels-idx1-ubyte', digests.trainLabels),
    },
    test: {
      images: file('t10k-images-idx3-ubyte', digests.testImages),
      labels: file('t10k-labels-idx1-ubyte', digests.testLabels),
    },
  };
}

/** The grey sets of 28×28 pixels. */
export const catalog = {
  'fashion-mnist': {
    format: 'idx',
    name: 'fashion-mnist',
    images: { train: 60_000, test: 10_000 },
    balanced: true,
    title: 'Fashion-MNIST',
    classes: ['T-shirt/top', 'Trouser', 'Pullover', 'Dress', 'Coat', 'Sandal', 'Shirt', 'Sneaker', 'Bag', 'Ankle boot'],
    statistics: statistics.fashionMnist,
    licence: 'MIT, © 2017 Zalando SE',
    homepage: 'https://github.com/zalandoresearch/fashion-mnist',
    torchvision: 'FashionMNIST/raw',
    debian: { package: 'dataset-fashion-mnist', folder: '/usr/share/datasets/fashion-mnist' },
    addresses: [
      'https://fashion-mnist.s3.eu-central-1.amazonaws.com/',
      'http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/',
    ],
    files: files({
      trainImages: [
        'sha256:3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84',
        'sha256:c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888',
      ],
      trainLabels: [
        'sha256:a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845',
        'sha256:bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9',
      ],
      testImages: [
        'sha256:346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073',
        'sha256:5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b',
      ],
      testLabels: [
        'sha256:67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5',
        'sha256:0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34',
      ],
    }),
  },
  mnist: {
    format: 'idx',
    name: 'mnist',
    images: { train: 60_000, test: 10_000 },
    balanced: false,
    shows: 'handwritten digits',
    title: 'MNIST',
    classes: digits,
    statistics: statistics.mnist,
    licence: 'CC BY-SA 3.0, Yann LeCun and Corinna Cortes',
    homepage: 'http://yann.lecun.com/exdb/mnist/',
    torchvision: 'MNIST/raw',
    addresses: [
      'https://ossci-datasets.s3.amazonaws.com/mnist/',
      'https://storage.googleapis.com/cvdf-datasets/mnist/',
    ],
    files: files({
      trainImages: [
        'sha256:440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609',
        'sha256:ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db',
      ],
      trainLabels: [
        'sha256:3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c',
        'sha256:65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5',
      ],
      testImages: [
        'sha256:8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6',
        'sha256:0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7',
      ],
      testLabels: [
        'sha256:f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6',
        'sha256:ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2',
      ],
    }),
  },
  kmnist: {
    format: 'idx',
    name: 'kmnist',
    images: { train: 60_000, test: 10_000 },
    balanced: true,
    title: 'Kuzushiji-MNIST',
    classes: ['o', 'ki', 'su', 'tsu', 'na', 'ha', 'ma', 'ya', 're', 'wo'],
    licence: 'CC BY-SA 4.0, created by CODH, adapted from the Kuzushiji Dataset of NIJL and others',
    homepage: 'http://codh.rois.ac.jp/kmnist/',
    torchvision: 'KMNIST/raw',
    addresses: ['https://codh.rois.ac.jp/kmnist/dataset/kmnist/', 'http://codh.rois.ac.jp/kmnist/dataset/kmnist/'],
    files: files({
      trainImages: ['sha256:51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4'],
      trainLabels: ['sha256:e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17'],
      testImages: [
        'sha256:edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5',
        'sha256:76fbd229ce87db80dd281af5e6670de4ad0e42fb30a7bd643972994c47c1f42e',
      ],
      testLabels: [
        'sha256:20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c',
        'sha256:a11dc742be8e781a40a92f53d6a4957e7b7d36df2faa097659131ebfd8fd60c6',
      ],
    }),
  },
  // Letters A to J in many fonts (Y. Bulatov), in the balanced MNIST-shaped selection by D. Flanagan.
  notmnist: {
    format: 'idx',
    name: 'notmnist',
    images: { train: 60_000, test: 10_000 },
    balanced: true,
    title: 'notMNIST',
    classes: ['A', 'B', 'C', 'D', 'E', 'F', 'G', 'H', 'I', 'J'],
    licence: 'none stated by its author; offered for research',
    homepage: 'https://github.com/davidflanagan/notMNIST-to-MNIST',
    torchvision: 'NotMNIST/raw',
    addresses: ['https://github.com/davidflanagan/notMNIST-to-MNIST/raw/master/'],
    files: files({
      trainImages: ['md5:d916d7283fce4d08db9867c640ec0042'],
      trainLabels: ['md5:eab59f88903339e01dac19deed3824c0'],
      testImages: [
        'sha256:70ae9e06201f2827e5b0a3781a3169d735dd2efc69996b9eeaee7f10ed4044d7',
        'sha256:8e7f38ae95cc8f48e0986175ffc9137e5007ebcf3d8fdf6656c904eb9dab198b',
      ],
      testLabels: [
        'sha256:1fa03836e01c862542f8eb83463bb951bebec6fcb3efa28dad748c6b38a9021b',
        'sha256:5f8e6012f2ce730700d8d05fca098bc47f71d25b890e4bec7ac5ebfd614a4001',
      ],
    }),
  },
} as const satisfies Record<string, IdxEntry>;

export type SourceName = keyof typeof catalog;

const KRIZHEVSKY = {
  licence: 'none stated; cite Krizhevsky 2009',
  homepage: 'https://www.cs.toronto.edu/~kriz/cifar.html',
} as const;

export const dataSets = {
  ...catalog,
  cifar10: {
    format: 'cifar',
    title: 'CIFAR-10',
    name: 'cifar-10',
    images: { train: 50_000, test: 10_000 },
    balanced: true,
    folders: ['cifar-10', 'cifar-10-batches-bin', ''],
    archive: 'cifar-10-binary.tar.gz',
    files: { train: [1, 2, 3, 4, 5].map((n) => `data_batch_${n}.bin`), test: ['test_batch.bin'] },
    labels: 1,
    classes: ['airplane', 'automobile', 'bird', 'cat', 'deer', 'dog', 'frog', 'horse', 'ship', 'truck'],
    statistics: statistics.cifar10,
    ...KRIZHEVSKY,
  },
  cifar100: {
    format: 'cifar',
    title: 'CIFAR-100',
    name: 'cifar-100',
    images: { train: 50_000, test: 10_000 },
    balanced: true,
    folders: ['cifar-100', 'cifar-100-binary', ''],
    archive: 'cifar-100-binary.tar.gz',
    files: { train: ['train.bin'], test: ['test.bin'] },
    labels: 2,
    classes: (
      'apple aquarium_fish baby bear beaver bed bee beetle bicycle bottle bowl boy bridge bus butterfly camel can castle ' +
      'caterpillar cattle chair chimpanzee clock cloud cockroach couch crab crocodile cup dinosaur dolphin elephant ' +
      'flatfish forest fox girl hamster house kangaroo keyboard lamp lawn_mower leopard lion lizard lobster man ' +
      'maple_tree motorcycle mountain mouse mushroom oak_tree orange orchid otter palm_tree pear pickup_truck pine_tree ' +
      'plain plate poppy porcupine possum rabbit raccoon ray road rocket rose sea seal shark shrew skunk skyscraper snail ' +
      'snake spider squirrel streetcar sunflower sweet_pepper table tank telephone television tiger tractor train trout ' +
      'tulip turtle wardrobe whale willow_tree wolf woman worm'
    ).split(' '),
    statistics: statistics.cifar100,
    ...KRIZHEVSKY,
  },
  digits: {
    format: 'digits',
    title: 'UCI optical digits',
    classes: digits,
    images: { train: 1_437, test: 360 },
    balanced: false,
    shows: 'handwritten digits',
    licence: 'CC BY 4.0, E. Alpaydin and C. Kaynak',
    homepage: 'https://doi.org/10.24432/C50P49',
  },
} as const satisfies Record<string, DataSetEntry>;

export type DatasetName = keyof typeof dataSets;
export const dataSetNames = namesOf(dataSets);
